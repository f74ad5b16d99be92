"""Live: what people do in front of a camera, or in a file that is played like one, as they do it."""

import streamlit as st

from har_core.config import LiveConfig
from har_core.ui import sources, watching, webrtc
from har_core.ui.choose import choose_model
from har_core.ui.connection import check_panel, ice_servers
from har_core.ui.frame import title
from har_core.ui.live import Setup, this_viewer
from har_core.ui.weights import weights_shelf

title("Live", "What people do in front of a camera, named as they do it. The picture stays on this computer.")

one, two, three, four = st.columns([40, 21, 24, 15])
with one:
    model = choose_model()
if model is None:
    st.stop()
viewer = this_viewer()
if sources.arrives():
    viewer.leave()
    webrtc.forget("live film", "live camera")
film, facing = None, "user"
key = "live film" if sources.is_film() else "live camera"
locked = webrtc.state(key) != "stopped"
with two:
    sources.choose_kind(locked=locked)
with st.container():  # a place for the spinner: without it, all below would be built anew when it has gone
    engine, detector = watching.load(model)
with three:
    mode = watching.choose_view(engine, detector)
with st.container():  # likewise: were its sentence to come or go on its own, the picture would be built anew and stop
    watching.explain_view(engine, detector, mode)
viewer.prepare(Setup(engine, detector, LiveConfig(view=mode)))

left, right = st.columns([3, 2], gap="medium")
with left:
    if sources.is_film():
        film = sources.choose_film(locked=locked)
    else:
        with four:
            facing = sources.choose_facing(locked=locked)
        sources.warn_insecure()
    if film or not sources.is_film():
        state = webrtc.stream(
            key, viewer.open, ice_servers=ice_servers(), facing=facing, film=film, failed=viewer.fail
        )  # fmt: skip
        watching.waiting(state)
        watching.controls(viewer, state)
    else:
        state = "stopped"
with right:
    watching.show_people(viewer, state, mode, model.actions)
watching.show_numbers(viewer, state)
watching.show_recordings()
with st.expander("Connection", icon=":material/lan:"):
    check_panel(camera=film is None, addresses=webrtc.addresses())
weights_shelf()
