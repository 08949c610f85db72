"""The Settings page: the notification services of this person on this machine; the links to all runs; the way out."""

from fluxgym.ui import access_view, live, services
from fluxgym.ui.header import draw_header

draw_header("Settings")
services.answer()
access_view.answer()
services.draw_add()
services.draw_list()
access_view.draw()
live.come_back()
