"""The Settings page: the notification services of this person on this machine."""

from fluxgym.ui import live, services
from fluxgym.ui.header import draw_header

draw_header("Settings")
services.answer()
services.draw_add()
services.draw_list()
live.come_back()
