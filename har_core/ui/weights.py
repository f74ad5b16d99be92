"""The shelf of detectors: which are there, and fetching those that may not be shipped."""

import secrets
import sys
import threading
import traceback
from dataclasses import dataclass, field

import streamlit as st

from har_core import weights
from har_core.errors import HarError
from har_core.ui.frame import plain, reporting
from har_core.weights import Entry

_POLL_SECONDS = 0.5


@dataclass(slots=True)
class Job:
    """One download in a thread of its own. Only that thread writes here; any viewer may read."""

    wanted: Entry
    done: int = 0
    total: int = 0
    trouble: str = ""
    """Why it ended, when it did not end well."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def work(self) -> None:
        """Be the thread. No call of Streamlit here: it belongs to no viewer."""
        try:
            weights.fetch(self.wanted, progress=self._report, cancelled=self.cancelled.is_set)
        except HarError as error:
            self.trouble = str(error)
        except Exception:
            reference = secrets.token_hex(3).upper()
            print(f"Bug {reference}:", file=sys.stderr)
            traceback.print_exc()
            self.trouble = f"Something went wrong that is not your fault. In the terminal it stands under {reference}."
        finally:
            self.ended.set()

    def _report(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Jobs:
    """The downloads of this server by name, the same for every viewer."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, wanted: Entry) -> None:
        """Begin a download, unless another viewer has begun it."""
        with self._lock:
            if wanted.name in self.running():
                return
            job = self._jobs[wanted.name] = Job(wanted, total=wanted.about_bytes)
        threading.Thread(target=job.work, name=f"fetch {wanted.name}", daemon=True).start()

    def last(self, name: str) -> Job | None:
        """The newest download of these weights, over or not."""
        return self._jobs.get(name)

    def running(self) -> tuple[str, ...]:
        """The names of those that are being downloaded now."""
        return tuple(name for name, job in self._jobs.copy().items() if not job.ended.is_set())


@st.cache_resource(show_spinner=False)
def jobs() -> Jobs:
    """The downloads of this server."""
    return Jobs()


def weights_shelf() -> None:
    """The detectors that are known, with a button to fetch each that is missing. Nobody waits for a download."""
    running = jobs().running()
    with st.expander("Weights", icon=":material/inventory_2:"):
        st.caption(
            "What finds people in a picture; one is enough. Fetched once, kept in the workspace, used without internet."
        )
        st.fragment(_shelf, run_every=_POLL_SECONDS if running else None)(running)


def _shelf(drawn_as: tuple[str, ...]) -> None:
    with reporting():
        if jobs().running() != drawn_as:
            st.rerun()  # one began or ended: what can be chosen on the page may be another now
        for each in weights.entries():
            if each.kind == "detector" and (each.url or each.present):
                _row(each)


def _row(each: Entry) -> None:
    job = jobs().last(each.name)
    with st.container(horizontal=True, vertical_alignment="center"):
        size = f"{each.bytes / 1e6:.0f} MB" if each.bytes >= 1e6 else ""
        st.markdown(f"**{plain(each.name)}** {plain(each.purpose)} :gray[{plain(size)}]", width="stretch")
        if job and not job.ended.is_set():
            if st.button("Cancel", key=f"cancel {each.name}", icon=":material/close:"):
                job.cancelled.set()
        elif each.present:
            st.badge("Ready", icon=":material/check:", color="green")
        elif st.button("Fetch", key=f"fetch {each.name}", icon=":material/download:", help=plain(each.licence)):
            jobs().start(each)
            st.rerun()
    if job and not job.ended.is_set():
        share = min(1.0, job.done / job.total) if job.total else 0.0
        st.progress(share, f"{job.done / 1e6:.1f} MB have come" if job.done else f"Looking for {plain(each.name)}")
    elif job and job.trouble and not each.present:
        if job.cancelled.is_set():
            st.caption(plain(job.trouble))
        else:
            st.error(plain(job.trouble), icon=":material/error:")
