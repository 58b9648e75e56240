"""Support that is not the subject of any lecture: devices, data, plots, progress, checks, widgets."""
