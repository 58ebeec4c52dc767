"""The web pages (the form, the status page, the desk) and the JSON API."""
