"""What was read or computed once and is worth keeping: shared by all viewers, the oldest goes first.

`st.cache_data` will not do where the work reports its progress: it records what is drawn meanwhile.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

import streamlit as st

T = TypeVar("T")


class Shelf:
    """At most `room` values by key. Threads may share it."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of `key`, made now if it is not there. Two viewers at once may both make it."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]  # type: ignore[return-value]  # a key is made by one caller only
        made = make()
        with self._lock:
            self._kept[key] = made
            if len(self._kept) > self._room:
                self._kept.popitem(last=False)
        return made

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._kept


@st.cache_resource(show_spinner=False)
def shelf(name: str, room: int = 32) -> Shelf:
    """The shelf of this name, the same for every viewer."""
    return Shelf(room)
