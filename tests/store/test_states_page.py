"""The page of states says what the tables say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_page_of_states_is_up_to_date() -> None:
    done = subprocess.run([sys.executable, "docs/generate_states.py", "--check"], cwd=ROOT, check=False)
    assert done.returncode == 0, "run python docs/generate_states.py"
