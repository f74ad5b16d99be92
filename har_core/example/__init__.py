"""An example data set that is computed, not downloaded: jointed, shaded figures do five actions.

So that a newcomer can try the whole app in two minutes. From the skeleton to the folder:

solids      swept balls and boxes, a camera, a depth buffer
light       shading, shadows, from linear light to pixels
motion      the five actions as poses over time
actor       who acts                    figure, head   the solids of a body in a pose
surfaces    floors, walls, skies        things   furniture, plants
scenery     a place as a picture        places   seven of them
film        `render`: the frames of one clip
order       which clips to film         worker   the process that films them
folder      `make`: the data set on disk

>>> import numpy as np
>>> random = np.random.default_rng(0)
>>> frames = render("wave", Actor.drawn(0, random), Variation.drawn(random), seconds=2.0, size=(64, 48))
>>> next(frames).shape
(48, 64, 3)
"""

from har_core.example.actor import Actor
from har_core.example.film import Variation, render
from har_core.example.folder import PURPOSE, make
from har_core.example.motion import ACTIONS

__all__ = ["ACTIONS", "PURPOSE", "Actor", "Variation", "make", "render"]
