"""The only Streamlit code outside the pages: the frame around them, cached loaders, shared widgets.

frame      page set-up, errors in words, moving between pages with something chosen
shelf      what was read or computed once, shared by all viewers
loaders    data sets, models, predictors, evaluations, clips that browsers play
choose     which data set, model or run: the pickers, and what to show where there is none
clips      playing, picking and looking at clips
adding     new data sets: the example, a link, uploads
studio     a camera that records takes
recorder   recording clips of one's own: the Record tab
own        which data sets take clips of one's own
bench      a film with a timeline and marks, drawn in the browser
cutting    cutting a film into clips: the Cut tab
settings   the form that gives a TrainConfig
following  a training run as it goes on
scores     an evaluation in numbers; beside it scoring (on its way), confusing (the matrix and its clips), calibrating,
           moving (does it use time) and comparing (two models)
matrix     actions by actions, drawn in the browser; wall: clips that play side by side
atlas      the map of a data set
suspects   labels in doubt and outliers, each to be decided about
films      small pictures of clips that run under the pointer
answers    what a prediction shows
sources    what plays the camera: which camera, which film
webrtc     the bridge to the browser's camera and screen; the only WebRTC code
live       one viewer's stream and what belongs to it
watching   what the Live page shows of it: cards, numbers, controls, recordings
panel      the HTML beside the live picture
recording  films of the live picture and the events in them
connection why a live picture may not come, in one sentence
weights    which weights are there, and fetching more
landing    the home page
"""
