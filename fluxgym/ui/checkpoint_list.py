"""The LoRA files and the states of a run: epoch, step, size, age, download."""

from html import escape

import streamlit as st

from fluxgym.ui import routes
from fluxgym.ui.cards import Look
from fluxgym.view import checkpoints, words
