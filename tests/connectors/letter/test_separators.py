"""Separator sheets as a scanner sees them."""

from __future__ import annotations

from pathlib import Path

import pypdfium2
import pytest
import zxingcpp

from connectors.letter import Recognition, separators
from gateway import cli
from gateway.trouble import Exit
from tests.rigs.tools import NOW

(CODE,) = Recognition().separator_codes


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_either_side_is_known_however_it_lies(turn: int) -> None:
    document = pypdfium2.PdfDocument(separators.typeset(CODE, 1, NOW))
    try:
        assert len(document) == 2
        for page in document:
            picture = page.render(scale=100 / 72).to_pil().convert("L").rotate(turn, expand=True)
            codes = [one.text for one in zxingcpp.read_barcodes(picture)]
            assert codes == [CODE, CODE]
    finally:
        document.close()


def test_the_command_writes_them_without_a_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "sheets.pdf"
    assert cli.run(["letter", "separators", "--sheets", "2", "-o", str(target)]) == Exit.OK
    assert str(target) in capsys.readouterr().out
    document = pypdfium2.PdfDocument(target)
    assert len(document) == 4
    document.close()


def test_they_bear_the_code_of_their_channel(tmp_path: Path) -> None:
    file = tmp_path / "forebay.yaml"
    file.write_text(
        "api: {admin_token: 0123456789abcdef0123456789abcdef}\n"
        "channels:\n  post: {kind: letter, recognition: {separator_codes: [CUT-HERE]}}\n",
        encoding="utf-8",
    )
    target = tmp_path / "sheets.pdf"
    asked = ["letter", "separators", "-n", "1", "-c", str(file), "-o", str(target), "--channel"]
    assert cli.run([*asked, "post"]) == Exit.OK
    document = pypdfium2.PdfDocument(target)
    codes = {one.text for one in zxingcpp.read_barcodes(document[0].render(scale=2).to_pil())}
    document.close()
    assert codes == {"CUT-HERE"}
    assert cli.run([*asked, "nobody"]) == Exit.NO_INPUT
