#!/usr/bin/python3
"""A camera on gst-rtsp-server, which is nobody of ours: rtsp://127.0.0.1:PORT/cam.

rtsp.camera.py --port P [--codec h264|h265|mjpeg] [--b-pictures N | --film FILE] [--user U --password W --auth digest|basic]

--film plays an .mp4 of that codec as it is; without it, a test picture is encoded.

Commands on standard input, one a line: kick (drop every client), stall (no more pictures), resume, end (end of stream).
Prints "ready" when it listens. Needs the system's Python, which has the GObject bindings.
"""
import argparse
import sys
import threading

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
gi.require_version("GstRtsp", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

PICTURES = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=320,height=240,framerate=25/1"


def encoder(codec, b_pictures):
    if codec == "mjpeg":
        return "jpegenc ! rtpjpegpay name=pay0 pt=26"
    if codec == "h265":
        return "x265enc tune=zerolatency speed-preset=ultrafast key-int-max=25 log-level=error ! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1"
    tune = "0" if b_pictures else "zerolatency"
    return (
        f"x264enc tune={tune} speed-preset=ultrafast key-int-max=25 bframes={b_pictures} b-adapt=false"
        " ! video/x-h264,profile=main ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=-1"
    )


def film(path, codec):
    parts = {
        "h264": "h264parse ! valve name=gate ! rtph264pay name=pay0 pt=96 config-interval=-1",
        "h265": "h265parse ! valve name=gate ! rtph265pay name=pay0 pt=96 config-interval=-1",
        "mjpeg": "jpegparse ! valve name=gate ! rtpjpegpay name=pay0 pt=26",
    }
    return f"filesrc location={path} ! qtdemux ! queue ! {parts[codec]}"


class Camera:
    def __init__(self, options):
        self.clients, self.medias = [], []
        self.server = GstRtspServer.RTSPServer(service=str(options.port), address="127.0.0.1")
        factory = GstRtspServer.RTSPMediaFactory(shared=True)
        if options.film:
            line = film(options.film, options.codec)
        else:
            line = f"{PICTURES} ! valve name=gate ! {encoder(options.codec, options.b_pictures)}"
        factory.set_launch(f"( {line} )")
        factory.connect("media-configure", self.on_media)
        if options.user:
            self.ask_for_login(options, factory)
        self.server.get_mount_points().add_factory("/cam", factory)
        self.server.connect("client-connected", self.on_client)
        self.server.attach(None)

    def ask_for_login(self, options, factory):
        allowed = GstRtspServer.RTSPPermissions()
        allowed.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
        allowed.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
        factory.set_permissions(allowed)
        role = GstRtspServer.RTSPToken()
        role.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
        login = GstRtspServer.RTSPAuth()
        if options.auth == "digest":
            login.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            login.add_digest(options.user, options.password, role)
        else:
            login.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
            login.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), role)
        self.server.set_auth(login)

    def on_media(self, _factory, media):
        self.medias.append(media)
        media.connect("unprepared", lambda gone: self.medias.remove(gone))

    def on_client(self, _server, client):
        self.clients.append(client)
        client.connect("closed", lambda gone: self.clients.remove(gone))

    def obey(self, command):
        if command == "kick":
            for client in list(self.clients):
                client.close()
        for media in list(self.medias):
            if command in ("stall", "resume"):
                media.get_element().get_by_name("gate").set_property("drop", command == "stall")
            elif command == "end":
                media.get_element().send_event(Gst.Event.new_eos())
        return False


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--codec", choices=["h264", "h265", "mjpeg"], default="h264")
    parser.add_argument("--b-pictures", type=int, default=0)
    parser.add_argument("--film")
    parser.add_argument("--user")
    parser.add_argument("--password", default="")
    parser.add_argument("--auth", choices=["digest", "basic"], default="digest")
    options = parser.parse_args()
    Gst.init(None)
    camera = Camera(options)
    loop = GLib.MainLoop()

    def listen():
        for line in sys.stdin:
            GLib.idle_add(camera.obey, line.strip())

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    loop.run()


main()
