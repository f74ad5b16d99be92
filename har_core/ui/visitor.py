"""Who looks at this page: a random id that the browser keeps as a cookie; what is uploaded belongs to it.

No account and no name. The id is 128 random bits, so nobody can guess another's. Where cookies are off it lasts as
long as the tab.
"""

import functools
import secrets
from collections.abc import Callable
from typing import Any

import streamlit as st

from har_core.analyses import is_viewer

COOKIE = "har_viewer"
_KEY, _COMPONENT = "viewer id", "viewer cookie"
_JS = """
// `data`: {id, name}. Keeps the id as a cookie for a year from now; where another tab was faster, tells the id of that.
export default function ({ data, setStateValue }) {
  const found = document.cookie.match(new RegExp(`(?:^|; )${data.name}=([0-9a-f]{32})(?:;|$)`))?.[1];
  if (found && found !== data.id) return setStateValue("id", found);
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${data.name}=${data.id}; Path=/; Max-Age=31536000; SameSite=Strict${secure}`;
}
"""


def visitor() -> str:
    """The id of the browser that looks at the page: 32 hexadecimal digits."""
    mine = st.session_state.get(_KEY)
    if not is_viewer(mine):
        sent = st.context.cookies.to_dict().get(COOKIE)
        mine = st.session_state[_KEY] = sent if is_viewer(sent) else secrets.token_hex(16)
    return str(mine)


def remember() -> None:
    """Have the browser keep the id. Called once in each run of the page, at its end: it takes no room."""
    told = _component()(key=_COMPONENT, data={"id": visitor(), "name": COOKIE}, on_id_change=_nothing).get("id")
    if is_viewer(told) and told != visitor():
        st.session_state[_KEY] = told
        st.rerun()


def _nothing() -> None:
    """A state of the component must have a callback; the page reads it when it runs anyway."""


@functools.cache
def _component() -> Callable[..., Any]:
    """Registered once: each further time would warn."""
    component: Callable[..., Any] = st.components.v2.component("har_visitor", html="<i hidden></i>", js=_JS)
    return component
