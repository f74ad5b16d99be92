"""The app: `streamlit run Home.py`. The frame around the pages; what Home shows is `har_core.ui.landing`."""

from har_core.ui.frame import configure, navigate, reporting
from har_core.ui.landing import landing

configure()
page = navigate(landing)
with reporting():
    page.run()
