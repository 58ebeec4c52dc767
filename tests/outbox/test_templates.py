"""Templates say what they should in the nearest language, and can do nothing else."""

from __future__ import annotations

import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

import config
from outbox.sandbox import MAX_SOURCE, TemplateFailure
from outbox.templates import SAMPLE, Templates

SHIPPED = Path(str(files(config) / "examples" / "templates"))


def folder(where: Path, **texts: str) -> Path:
    """A folder of templates; a keyword such as note__en__txt names note.en.txt."""
    where.mkdir(exist_ok=True)
    for name, text in texts.items():
        (where / name.replace("__", ".").replace("zh_CN", "zh-CN")).write_text(text, encoding="utf-8")
    return where


def one(tmp_path: Path, body: str, subject: str = "s") -> Templates:
    return Templates([folder(tmp_path, note__en__txt=f"subject: {subject}\n\n{body}")])


def rendered(templates: Templates, **values: Any) -> str:
    return templates.render("note", "en", {**SAMPLE, **values}).text


def test_the_shipped_templates_are_right() -> None:
    templates = Templates([SHIPPED])
    assert templates.check() == []
    assert templates.names == {
        "acknowledgement",
        "extension",
        "missing",
        "answer-looking",
        "answer-resolved",
        "answer-thanks",
        "missing_reminder",
        "out_of_scope",
        "progress",
        "satisfaction",
    }


@pytest.mark.parametrize("name", ["acknowledgement", "out_of_scope"])
@pytest.mark.parametrize(("language", "greeting"), [("zh-CN", "李伟，您好："), ("en", "Dear 李伟,")])
def test_a_shipped_template_has_reference_link_and_greeting_in_both_forms(
    name: str, language: str, greeting: str
) -> None:
    message = Templates([SHIPPED]).render(name, language, SAMPLE)
    assert message.html is not None
    assert "FB-261122-7K3FQ" in message.subject
    for form in (message.text, message.html):
        assert greeting in form
        assert "FB-261122-7K3FQ" in form
        assert "https://feedback.example/s/abc" in form
    bare = Templates([SHIPPED]).render(
        name, language, {**SAMPLE, "name": "", "status_url": "", "missing": ()}
    )
    assert "http" not in bare.text
    assert "\n\n\n" not in bare.text


def test_what_is_missing_is_asked_for() -> None:
    templates = Templates([SHIPPED])
    assert "您的联系方式" in templates.render("acknowledgement", "zh-CN", SAMPLE).text
    assert "how we can reach you" in templates.render("acknowledgement", "en", SAMPLE).text


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("zh-CN", "zh-CN"),
        ("zh-TW", "zh-CN"),
        ("zh", "zh-CN"),
        ("en-GB", "en"),
        ("ja", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_the_nearest_language_is_taken(asked: str | None, given: str) -> None:
    assert Templates([SHIPPED]).render("acknowledgement", asked, SAMPLE).language == given


def test_without_english_there_is_still_an_answer(tmp_path: Path) -> None:
    templates = Templates([folder(tmp_path, note__zh_CN__txt="subject: s\n\n好")])
    assert templates.render("note", "fr", SAMPLE).text == "好\n"


def test_a_later_folder_goes_first_with_its_text_and_html_together(tmp_path: Path) -> None:
    ours = folder(tmp_path / "ours", acknowledgement__en__txt="subject: Ours {{ reference }}\n\nours\n")
    message = Templates([SHIPPED, ours]).render("acknowledgement", "en", SAMPLE)
    assert (message.subject, message.text, message.html) == ("Ours FB-261122-7K3FQ", "ours\n", None)
    assert Templates([SHIPPED, ours]).render("acknowledgement", "zh-CN", SAMPLE).html is not None


def test_html_is_escaped_and_text_is_not(tmp_path: Path) -> None:
    folder(tmp_path, note__en__txt="subject: s\n\n{{ name }}", note__en__html="<p>{{ name }}</p>")
    message = Templates([tmp_path]).render("note", "en", {"name": "<script>'\"&"})
    assert message.text == "<script>'\"&\n"
    assert message.html == "<p>&lt;script&gt;&#39;&#34;&amp;</p>"


def test_a_subject_is_one_short_line_whatever_the_values_hold(tmp_path: Path) -> None:
    templates = one(tmp_path, "x", subject="Re: {{ name }}")
    subject = templates.render(
        "note", "en", {"name": "a\r\nBcc: victim@example.com\x00\u2028b" + "x" * 1_000}
    ).subject
    assert subject.startswith("Re: a Bcc: victim@example.com b")
    assert len(subject) == 200
    assert subject.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        "{{ ''.__class__ }}",
        "{{ name.__class__.__mro__ }}",
        "{{ ''['__class__'] }}",
        "{{ name|attr('__class__') }}",
        "{{ self }}",
        "{{ self._TemplateReference__context }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ lipsum.__globals__ }}",
        "{{ name.format('x') }}",
        "{{ '%s' % name }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
    ],
)
def test_a_template_cannot_leave_its_box(tmp_path: Path, body: str) -> None:
    templates = one(tmp_path, body)
    with pytest.raises(TemplateFailure):
        rendered(templates)
    assert len(templates.check()) == 1


@pytest.mark.parametrize(
    "body",
    [
        "{% for i in range(10**9) %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ 10**10**8 }}",
        "{{ 'a'.center(10**9) }}",
        "{{ 'a'|center(10**9) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{% for a in name %}{% for b in name %}{% endfor %}{% endfor %}",
        "{% for a in name recursive %}{{ loop(name) }}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{% set x = 'aa' %}" + "{% set x = x ~ x %}" * 100 + "{{ x }}",
        "{% with x = name ~ name %}{{ x }}{% endwith %}",
        "{{ lipsum(100000) }}",
        "x" * (MAX_SOURCE + 1),
        "{{ " + "(" * 3_000 + "1" + ")" * 3_000 + " }}",
    ],
)
def test_a_template_cannot_run_away(tmp_path: Path, body: str) -> None:
    begun = time.process_time()
    templates = one(tmp_path, body)
    with pytest.raises(TemplateFailure):
        rendered(templates)
    assert time.process_time() - begun < 5


def test_what_it_makes_is_bounded(tmp_path: Path) -> None:
    templates = one(tmp_path, "{% for c in name %}" + "x" * 1_000 + "{% endfor %}")
    with pytest.raises(TemplateFailure, match="gives more than 100000 characters"):
        rendered(templates, name="n" * 101)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("subject: s\n\na\nb {{ nope }}\n", "note.en.txt:4: 'nope' is undefined"),
        ("subject: {{ nope }}\n\na", "note.en.txt:1: 'nope' is undefined"),
        ("subject: s\n\na\n{% if name %}\n", "note.en.txt:4: Unexpected end of template."),
        ("subject: s\n\n{{ name|shout }}", "note.en.txt:3: No filter named 'shout'."),
        ("subject: s\n\n\n{{ name() }}", "note.en.txt:4: uses call"),
        ("subject: s\n\n{{ in_scope|join }}", "note.en.txt:3: cannot be rendered (TypeError)"),
        ("Hello\n\na", "note.en.txt:1: must begin with a line `subject: …`"),
        ("subject:\n\na", "note.en.txt:1: must begin with a line `subject: …`"),
        ("subject: s\na", "note.en.txt:2: must be empty"),
        ("", "note.en.txt:1: must begin"),
    ],
)
def test_a_wrong_template_is_told_with_file_and_line(tmp_path: Path, file: str, says: str) -> None:
    templates = Templates([folder(tmp_path, note__en__txt=file)])
    (line,) = templates.check()
    assert line.startswith(says)
    with pytest.raises(TemplateFailure) as caught:
        rendered(templates)
    assert str(caught.value) == line


def test_a_misspelt_value_is_found_where_no_sample_leads(tmp_path: Path) -> None:
    templates = one(tmp_path, 'a\n{% if urgency == "odd" %}{{ nmae }}{% endif %}\n')
    assert templates.check() == ["note.en.txt:4: 'nmae' is undefined"]


def test_a_failure_names_no_value(tmp_path: Path) -> None:
    templates = one(tmp_path, "{{ name.secret }}")
    with pytest.raises(TemplateFailure) as caught:
        rendered(templates, name="13800138000")
    assert "13800138000" not in str(caught.value)


def test_one_wrong_template_spoils_no_other(tmp_path: Path) -> None:
    folder(tmp_path, note__en__txt="subject: s\n\n{{", note__zh_CN__txt="subject: s\n\n好")
    assert Templates([SHIPPED, tmp_path]).render("note", "zh-CN", SAMPLE).text == "好\n"


def test_files_that_fit_nothing_are_told(tmp_path: Path) -> None:
    folder(tmp_path, Note__txt="x", note__en__html="<p>")
    (tmp_path / "latin.en.txt").write_bytes(b"subject: s\n\n\xe9")
    (tmp_path / "readme.md").write_text("not looked at")
    assert Templates([tmp_path]).check() == [
        "Note.txt:0: is not named NAME.LANGUAGE.txt or .html",
        "latin.en.txt:0: is not UTF-8",
        "note.en.html:0: has no note.en.txt beside it",
    ]


def test_an_unknown_name_is_a_failure() -> None:
    with pytest.raises(TemplateFailure, match="there is no template of this name"):
        Templates([SHIPPED]).render("nope", "en", SAMPLE)
