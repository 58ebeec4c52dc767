"""Scans: from the bytes of a file to straight pages, their codes, and lines of text with their confidence."""

import cv2

# A worker keeps to one thread: the others are for those who wait for an answer.
cv2.setNumThreads(1)
