"""How the browser's picture reaches this computer: the servers that may help, and what is wrong when it does not.

Where both are on one network nobody else is needed, and by default nobody else is asked.
"""

import json
import os
import secrets
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import streamlit as st
from streamlit.errors import StreamlitSecretNotFoundError

from har_core.errors import ConfigError
from har_core.ui.frame import plain

VARIABLE = "HAR_ICE_SERVERS"
PATIENCE_SECONDS = 3.0
_EXAMPLE = '[{"urls": "turn:turn.example.org:3478", "username": "me", "credential": "secret"}]'
_KINDS = ("stun", "stuns", "turn", "turns")
_PORTS = {"stun": 3478, "turn": 3478, "stuns": 5349, "turns": 5349}  # RFC 7064, RFC 7065
_MAGIC = 0x2112A442  # RFC 8489, section 5

# Runs in the browser: only it knows whether it may use a camera, and what its network lets through.
_ASK = """
export default async function ({ data, setStateValue }) {
  const facts = { number: data.number, secure: window.isSecureContext, media: !!navigator.mediaDevices?.getUserMedia,
                  rtc: typeof RTCPeerConnection === "function", cameras: -1, permission: "", kinds: [] };
  try {
    if (facts.media)
      facts.cameras = (await navigator.mediaDevices.enumerateDevices()).filter(d => d.kind === "videoinput").length;
    facts.permission = (await navigator.permissions.query({ name: "camera" })).state;
  } catch (error) { /* not every browser tells */ }
  if (facts.rtc) {
    const pc = new RTCPeerConnection({ iceServers: data.servers });
    try {
      const kinds = new Set();
      const gathered = new Promise(done => {
        pc.onicecandidate = e => e.candidate ? kinds.add(e.candidate.type) : done();
        setTimeout(done, data.patience * 1000);
      });
      pc.createDataChannel("check");
      await pc.setLocalDescription(await pc.createOffer());
      await gathered;
      facts.kinds = [...kinds];
    } catch (error) { facts.refused = String(error.message ?? error).slice(0, 200); }
    pc.close();
  }
  setStateValue("facts", facts);
}
"""
_ask = st.components.v2.component("har_connection_check", js=_ASK)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found, in one sentence that also says what to do."""

    good: bool
    sentence: str


def ice_servers() -> list[dict[str, Any]]:
    """The STUN and TURN servers to use, from `$HAR_ICE_SERVERS` or Streamlit's secrets; none by default.

    Raises:
        ConfigError: what is set is not a list of servers as in RTCConfiguration.iceServers.
    """
    if text := os.environ.get(VARIABLE, "").strip():
        try:
            told = json.loads(text)
        except (ValueError, RecursionError):
            raise ConfigError(f"{VARIABLE} must be JSON, for example {_EXAMPLE}, but is not.") from None
        return checked(told, VARIABLE)
    try:
        found = st.secrets.get("webrtc", {})
    except StreamlitSecretNotFoundError:
        return []
    where = "ice_servers under [webrtc] in the app's secrets"
    if not isinstance(found, Mapping):
        raise ConfigError("webrtc in the app's secrets must be a table, [webrtc], with ice_servers in it.")
    servers = found.get("ice_servers", [])
    return checked([dict(s) if isinstance(s, Mapping) else s for s in servers] if servers else [], where)


def checked(servers: object, where: str) -> list[dict[str, Any]]:
    """The servers, if they are ones; `where` they come from is named in the sentence.

    Raises:
        ConfigError: they are not.

    >>> checked([{"urls": "stun:stun.example.org"}], "here")
    [{'urls': ['stun:stun.example.org']}]
    """
    if not isinstance(servers, list):
        raise ConfigError(f"{where} must be a list, for example {_EXAMPLE}, but is {type(servers).__name__}.")
    good = []
    for server in servers:
        if not isinstance(server, dict):
            raise ConfigError(f"Each server in {where} must be an object with urls, but one is {server!r:.60}.")
        urls = server.get("urls")
        urls = [urls] if isinstance(urls, str) else urls
        if not isinstance(urls, (list, tuple)) or not urls or not all(isinstance(url, str) for url in urls):
            raise ConfigError(f"Each server in {where} must have urls, a text or a list of texts. Example: {_EXAMPLE}.")
        for url in urls:
            endpoint(url)
        kept = {"urls": list(urls)}
        for name in ("username", "credential"):
            if server.get(name) is not None:
                if not isinstance(server[name], str):
                    raise ConfigError(f"The {name} of a server in {where} must be a text.")
                kept[name] = server[name]
        if any(url.startswith("turn") for url in urls) and not {"username", "credential"} <= set(kept):
            raise ConfigError(f"A TURN server in {where} needs a username and a credential. Example: {_EXAMPLE}.")
        good.append(kept)
    return good


def endpoint(url: str) -> tuple[str, str, int, bool]:
    """Kind, host, port and whether TCP of a STUN or TURN address (RFC 7064, RFC 7065).

    Raises:
        ConfigError: it is not one.

    >>> endpoint("turns:turn.example.org?transport=tcp")
    ('turns', 'turn.example.org', 5349, True)
    """
    kind, _, rest = url.partition(":")
    try:
        parts = urlsplit(f"//{rest}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if kind not in _KINDS or not host or rest.startswith("/"):
        raise ConfigError(f"A server's address must look like turn:turn.example.org:3478, but is {url!r:.80}.")
    return kind, host, port or _PORTS[kind], kind.endswith("s") or "transport=tcp" in parts.query


def unreachable(url: str) -> str:
    """Why the server cannot be reached from this computer; nothing when it answers. Takes up to 3 s."""
    kind, host, port, tcp = endpoint(url)
    try:
        if tcp:
            with socket.create_connection((host, port), PATIENCE_SECONDS) as link:
                if kind.endswith("s"):
                    with ssl.create_default_context().wrap_socket(link, server_hostname=host):
                        pass
            return ""
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as link:
            link.settimeout(PATIENCE_SECONDS / 3)
            request = (1).to_bytes(2) + bytes(2) + _MAGIC.to_bytes(4) + secrets.token_bytes(12)  # a binding request
            link.connect(address)
            for _ in range(3):  # a datagram may get lost
                link.send(request)
                try:
                    if link.recv(2048)[4:20] == request[4:20]:
                        return ""
                except TimeoutError:
                    continue
        return f"{host} does not answer on port {port}"
    except socket.gaierror:
        return f"there is no computer named {host}"
    except (OSError, UnicodeError) as error:
        return f"{host}, port {port}: {getattr(error, 'strerror', None) or 'no answer'}"


def verdict(
    facts: Mapping[str, Any], *, camera: bool, servers: list[dict[str, Any]], silent: list[str], addresses: list[str]
) -> Verdict:
    """What is wrong, the first thing first.

    Args:
        facts: what the browser said of itself.
        camera: whether a camera is wanted at all.
        servers: the STUN and TURN servers in use.
        silent: why some of them cannot be reached from here.
        addresses: this computer's, those left out that only it can reach.
    """
    kinds = set(facts.get("kinds", ()))
    relays = any(url.startswith("turn") for server in servers for url in server["urls"])
    if camera and not facts.get("secure", True):
        text = "Browsers give a camera only to pages on https or localhost: open this app under such an address."
    elif camera and not facts.get("media"):
        text = "This browser lets no page use a camera: take another browser, or a file as camera."
    elif camera and facts.get("permission") == "denied":
        text = "The browser does not allow this page the camera: allow it beside the address, then press Start again."
    elif camera and facts.get("cameras") == 0:
        text = "The browser finds no camera: plug one in, close other programs that use it, or take a file as camera."
    elif not facts.get("rtc"):
        text = "This browser has no WebRTC, or it is switched off: switch it on or take another browser."
    elif facts.get("refused"):
        text = f"The browser does not accept the STUN and TURN servers: {facts['refused']}. Correct their settings."
    elif not addresses:
        text = "This computer is on no network, and WebRTC does not use the loopback: connect it to any network."
    elif silent:
        text = f"A server that should help with the connection cannot be reached: {silent[0]}. Check its settings."
    elif relays and "relay" not in kinds:
        text = "The TURN server gave the browser no relay: check its username, credential and firewall."
    elif not kinds:
        text = "The browser found no way out of its network: switch off a VPN or an extension that blocks WebRTC."
    else:
        return Verdict(True, f"All is well: {_ways(kinds, camera=camera, cameras=int(facts.get('cameras', -1)))}.")
    return Verdict(False, text)


def _ways(kinds: set[str], *, camera: bool, cameras: int) -> str:
    seen = {0: "", 1: "the browser has a camera, ", -1: ""}.get(cameras, f"the browser has {cameras} cameras, ")
    if "relay" in kinds:
        return f"{seen if camera else ''}and where no direct way is found a TURN server relays the picture"
    return f"{seen if camera else ''}and it can be reached on the same network"


def check_panel(*, camera: bool, addresses: list[str]) -> None:
    """A button that finds out what keeps the picture from getting through, and says it in one sentence."""
    servers = ice_servers()
    number = int(st.session_state.get("connection checks", 0))
    if st.button("Check the connection", icon=":material/network_check:"):
        number = st.session_state["connection checks"] = number + 1
        st.session_state["silent servers"] = [
            why for server in servers for url in server["urls"] if (why := unreachable(url))
        ]
    named = ", ".join(url for server in servers for url in server["urls"]) or "none: the same network is enough"
    st.caption(f"STUN and TURN servers: {plain(named)}.")
    if not number:
        return
    told = _ask(
        key=f"connection check {number}",
        data={"number": number, "servers": servers, "patience": PATIENCE_SECONDS},
        default={"facts": None}, on_facts_change=lambda: None, height=1,
    )  # fmt: skip
    facts = told["facts"]
    if not facts:
        st.caption("Asking the browser …")
        return
    silent = st.session_state.get("silent servers", [])
    found = verdict(facts, camera=camera, servers=servers, silent=silent, addresses=addresses)
    show = st.success if found.good else st.warning
    show(plain(found.sentence), icon=":material/check_circle:" if found.good else ":material/warning:")


def insecure(url: str | None) -> bool:
    """Whether browsers keep the camera from a page at this address.

    >>> insecure("http://192.168.1.5:8501/live"), insecure("http://localhost:8501"), insecure("https://a.example")
    (True, False, False)
    """
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    return parts.scheme == "http" and not (
        host in ("localhost", "::1") or host.endswith(".localhost") or host.startswith("127.")
    )
