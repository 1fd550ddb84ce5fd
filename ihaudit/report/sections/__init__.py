"""The sections of HTML and PDF, one file each; their templates lie in templates/sections."""
