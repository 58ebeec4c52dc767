"""Who wrote a letter, when, about what, and how an answer should go: found in its lines, each with confidence. Pure.

A field's confidence is that of the characters it was read from, times how telling its place is: behind a label, in the
letterhead, at the signature, or just somewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import phonenumbers

from normalizer import identity
from normalizer.scan.lines import Line

#: How telling a place is.
_LABELLED, _PLACED, _GUESSED = 1.0, 0.95, 0.7


@dataclass(frozen=True, slots=True)
class Field:
    """A value and how sure it is, 0 to 1."""

    value: str = ""
    confidence: float = 0.0


_NOTHING = Field()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What was found; empty fields were not."""

    name: Field = _NOTHING
    address: Field = _NOTHING
    postcode: Field = _NOTHING
    phone: Field = _NOTHING
    email: Field = _NOTHING
    date: Field = _NOTHING
    subject: Field = _NOTHING
    prefers: str = ""
    """`email`, `phone` or `address`: how the writer asks to be answered; empty when they do not say."""
    body: tuple[int, int] = (0, 0)
    """Lines from the matter to the closing words."""

    def each(self) -> Mapping[str, Field]:
        """The fields by name."""
        names = ("name", "address", "postcode", "phone", "email", "date", "subject")
        return {name: getattr(self, name) for name in names}


@dataclass(slots=True)
class _Letter:
    """The lines in the form in which they are searched."""

    lines: Sequence[Line]
    regions: Sequence[str]
    own: Sequence[str]
    received: date
    texts: list[str] = field(init=False)
    ours: list[bool] = field(init=False)
    """Whether a line names the recipient: us."""

    def __post_init__(self) -> None:
        self.texts = [unicodedata.normalize("NFKC", line.text).strip() for line in self.lines]
        self.ours = _ours(self.texts, [_bare(one) for one in self.own])


def find(lines: Sequence[Line], *, regions: Sequence[str], own: Sequence[str], received: date) -> Fields:
    """Everything that can be found. `regions` are the countries of numbers that are written without one."""
    letter = _Letter(lines, regions, own, received)
    start, end = _body(letter.texts)
    written = _date(letter)
    postcode = _postcode(letter)
    return Fields(
        name=_name(letter),
        address=_address(letter),
        postcode=postcode,
        phone=_phone(letter),
        email=_email(letter),
        date=written,
        subject=_subject(letter, start, end),
        prefers=_prefers(" ".join(letter.texts)),
        body=(start, end),
    )


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def _sure(letter: _Letter, n: int, place: float) -> float:
    return round(letter.lines[n].score * place, 3)


# ---- the parts of a letter

_LABEL = r"[^\S\n]*[:：][^\S\n]*"
_TO = re.compile(r"^(?:收件人|收信人|收件地址|收件单位|送达|此呈|致(?=[:：]))", re.I)
_DEAR = re.compile(
    r"^(?:(?:尊敬的|亲爱的).{1,30}[:：]?$|.{1,25}(?:同志|领导|先生|女士|经理|主任|您好|你好)\s*[:：!！,，]?$|dear\b.{0,60}$"
    r"|to whom it may concern)",
    re.I,
)
_CLOSE = re.compile(
    r"^(?:此致|敬礼|顺颂|祝好|谢谢[!！。]?$|特此(?:投诉|反映|函告|说明)"
    r"|(?:yours (?:\w+)|kind regards|best regards|warm regards|regards|sincerely|respectfully|faithfully"
    r"|with (?:kind|best) (?:regards|wishes)|many thanks)(?: yours)?\s*[,.]?$)",
    re.I,
)
_SUBJECT = re.compile(
    rf"^(?:主题|事由|标题|事项|re|subject|concerning|regarding){_LABEL}(?P<value>.{{2,120}})$", re.I
)
_ABOUT = re.compile(
    r"^关于(?P<value>.{2,60}?)(?:的(?:投诉|反映|建议|举报|申诉|咨询|意见|表扬|感谢|请求|情况说明|函|信)+(?:信|书|函)?)?$"
)
_TITLES = re.compile(r"^(?:投诉|表扬|感谢|建议|举报|申诉|反映|意见|来)(?:信|书|函)$")


def _ours(texts: Sequence[str], own: Sequence[str]) -> list[bool]:
    """Lines that name us: by our own names, behind a label for the recipient, or in the block before the salutation."""
    ours = [any(one and one in _bare(text) for one in own) for text in texts]
    dear = next((n for n, text in enumerate(texts) if _DEAR.match(text)), None)
    for n, text in enumerate(texts):
        if _TO.match(text):
            ours[n] = True
            # What follows the label belongs to it: our address, our number.
            for m in range(n + 1, min(n + 4, len(texts))):
                if not re.match(rf"^(?:通信|联系)?(?:地址|电话|邮编|邮政编码){_LABEL}", texts[m]):
                    break
                ours[m] = True
    if dear is not None and texts[dear].isascii():
        # An English letter has its date and then the recipient between letterhead and salutation.
        dated = next((n for n in range(dear) if _dates(texts[n])), None)
        if dated is not None and dated > 0:
            for n in range(dated + 1, dear):
                ours[n] = ours[n] or not (_CONTACT.match(texts[n]) or _SUBJECT.match(texts[n]))
    return ours


def _body(texts: Sequence[str]) -> tuple[int, int]:
    """From the line after the salutation to the closing words; everything where these are missing."""
    starts = [n for n, text in enumerate(texts) if _DEAR.match(text)]
    ends = [n for n, text in enumerate(texts) if _CLOSE.match(text)]
    start = starts[0] + 1 if starts else 0
    while start < len(texts) and _SUBJECT.match(texts[start]):
        start += 1
    end = next((n for n in ends if n >= start), len(texts))
    return (start, end) if any(texts[start:end]) else (0, len(texts))


# ---- the matter


def _subject(letter: _Letter, start: int, end: int) -> Field:
    for n, text in enumerate(letter.texts):
        if found := _SUBJECT.match(text):
            return Field(found["value"].strip(), _sure(letter, n, _LABELLED))
    for n, text in enumerate(letter.texts[: start + 2]):
        if found := _ABOUT.match(text):
            return Field(found["value"].strip(), _sure(letter, n, _PLACED))
    for n in range(start, end):
        if _SUBJECT.match(letter.texts[n]) or _TITLES.match(letter.texts[n]) or letter.ours[n]:
            continue
        sentence = re.split(r"(?<=[。！？!?])|(?<=\.)\s", letter.texts[n].strip(), maxsplit=1)[0]
        if len(sentence) >= 4:
            return Field(sentence[:60].strip("。.，,"), _sure(letter, n, _GUESSED))
    return _NOTHING


# ---- the date

_MONTHS = {
    name: n + 1
    for n, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    )
}
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_HAN_DIGITS = {character: str(n) for n, character in enumerate("〇一二三四五六七八九")} | {
    "零": "0",
    "○": "0",
    "O": "0",
}
_DATES = (
    re.compile(r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*[日号]"),
    re.compile(
        r"(?P<year>[〇一二三四五六七八九零○]{4})\s*年\s*(?P<month>[一二三四五六七八九十]{1,2})\s*月\s*(?P<day>[一二三四五六七八九十]{1,3})\s*[日号]"
    ),
    re.compile(r"(?<!\d)(?P<year>20\d\d)[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+{_MONTH}\.?,?\s+(?P<year>20\d\d)", re.I),
    re.compile(rf"\b{_MONTH}\.?\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>20\d\d)", re.I),
    re.compile(r"(?<!\d)(?P<day>\d{1,2})[-/.](?P<month>\d{1,2})[-/.](?P<year>20\d\d)(?!\d)"),
)


def _number(text: str) -> int:
    """A year, month or day in digits, Chinese numerals or an English name."""
    if text.isdigit():
        return int(text)
    if text[:3].lower() in _MONTHS:
        return _MONTHS[text[:3].lower()]
    if "十" in text:
        tens, _, ones = text.partition("十")
        return int(_HAN_DIGITS.get(tens, "1")) * 10 + int(_HAN_DIGITS.get(ones, "0"))
    return int("".join(_HAN_DIGITS[character] for character in text))


def _dates(text: str) -> list[tuple[date, bool]]:
    """Dates in a line, and whether the line says nothing else."""
    found = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            try:
                at = date(*(_number(match[name]) for name in ("year", "month", "day")))
            except (ValueError, KeyError):
                continue
            rest = text[: match.start()] + text[match.end() :]
            found.append((at, len(re.sub(r"\W|日期|date", "", rest, flags=re.I)) <= 6))
        if found:
            break
    return found


def _date(letter: _Letter) -> Field:
    """The date of the letter: one that stands alone, at its end in Chinese and at its head in English."""
    best = _NOTHING
    for n, text in enumerate(letter.texts):
        for at, alone in _dates(text):
            if not letter.received - timedelta(days=1100) < at <= letter.received + timedelta(days=2):
                continue
            sure = _sure(letter, n, _PLACED if alone else _GUESSED * 0.8)
            later = "\u4e00" <= text[:1] <= "\u9fff" or "年" in text  # of several in Chinese the last
            if sure > best.confidence or (later and sure == best.confidence):
                best = Field(at.isoformat(), sure)
    return best


# ---- ways to reach the writer

_CONTACT = re.compile(
    rf"^(?:tel|phone|telephone|mobile|mob|fax|e-?mail|cell|t|m|e)\b\.?{_LABEL}|^\(?\+?[\d ()-]{{8,}}$|\S+@\S+",
    re.I,
)
_PHONE_LABEL = re.compile(
    r"(?:联系电话|联系方式|手机号码?|移动电话|电话|手机|tel(?:ephone)?|phone|mobile|mob|cell|call me (?:on|at))"
    r"\s*(?:no|number)?\.?\s*[:：]?\s*",
    re.I,
)
_FAX = re.compile(r"(?:传真|fax)\s*[:：.]", re.I)
_DIGIT_LIKE = str.maketrans("OoIlB", "00118")
_NUMBER = re.compile(r"[+(]?[\dOoIl][\dOoIl ()\-.–—]{5,22}[\dOoIl]")


def _countries(letter: _Letter) -> list[str]:
    """The countries of numbers without one: first that in which the letter was evidently written."""
    whole = "\n".join(text for text, ours in zip(letter.texts, letter.ours, strict=True) if not ours)
    hint = ""
    if not re.search(r"[\u4e00-\u9fff]", whole):
        hint = "GB" if _UK_CODE.search(whole) else "US" if re.search(_US_CODE.pattern, whole, re.M) else ""
    return [*filter(None, (hint,)), *(one for one in letter.regions if one != hint)]


def _phone(letter: _Letter) -> Field:
    best = _NOTHING
    countries = _countries(letter)
    for n, text in enumerate(letter.texts):
        if letter.ours[n] or _FAX.match(text):
            continue
        label = _PHONE_LABEL.search(text)
        rest = text[label.end() :] if label else text
        for match in _NUMBER.finditer(rest):
            if not label and "@" in rest:
                continue
            found = _called(match[0].translate(_DIGIT_LIKE) if label else match[0], countries, bool(label))
            if found is None:
                continue
            at_start = label and match.start() <= 2
            sure = _sure(
                letter, n, _LABELLED if at_start else _PLACED if label or match[0] == text else _GUESSED
            )
            if sure > best.confidence:
                best = Field(found, sure)
    return best


def number(text: str, countries: Sequence[str]) -> str | None:
    """A number that somebody says is one, in E.164."""
    return _called(text, countries, labelled=True)


def _called(text: str, countries: Sequence[str], labelled: bool) -> str | None:
    """The number in E.164; None for what is none in any of the countries, such as an order's.

    Behind a label a number need not be one that was given out: those kept for examples are not.
    """
    plain = re.sub(r"[–—.]", "-", text).strip(" -")
    first, *others = countries
    if found := identity.phone(plain, first):
        return found.value
    if labelled or plain.startswith("+"):
        try:
            number = phonenumbers.parse(plain, first)
        except phonenumbers.NumberParseException:
            return None
        if phonenumbers.is_possible_number(number):
            return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return next((found.value for one in others if (found := identity.phone(plain, one))), None)


_EMAIL_LABEL = re.compile(
    r"^(?:电子)?(?:邮箱|邮件|信箱)(?:地址)?\s*[:：]|^e-?mail\s*[:：.]?|^e\s*[:：]", re.I
)
_EMAIL = re.compile(r"[\w.+-]{1,64}\s?@\s?[\w-]{1,63}(?:\s?[.,]\s?[\w-]{2,63}){1,4}", re.ASCII)


def _email(letter: _Letter) -> Field:
    best = _NOTHING
    for n, text in enumerate(letter.texts):
        if letter.ours[n]:
            continue
        label = _EMAIL_LABEL.match(text)
        rest = re.sub(r"\s+", "", text[label.end() :]) if label else text
        for match in _EMAIL.finditer(rest):
            found = identity.email(re.sub(r"\s", "", match[0]).replace(",", "."))
            if found is None or _bare(found.value) in {_bare(one) for one in letter.own}:
                continue
            sure = _sure(letter, n, _LABELLED if label else _PLACED)
            if sure > best.confidence:
                best = Field(found.value, sure)
    return best


# ---- where the writer lives

_CODE_LABEL = re.compile(
    r"(?:邮政编码|邮编|post ?code|zip(?: code)?)\s*[:：]?\s*"
    r"(?P<value>\d{6}|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|\d{5}(?:-\d{4})?)",
    re.I,
)
_CN_CODE = re.compile(r"(?<!\d)(?:0[1-7]|1[0-6]|2[0-7]|3[0-6]|4[0-7]|5[1-7]|6[1-7]|7[1-5]|8[1-5])\d{4}(?!\d)")
_UK_CODE = re.compile(r"\b[A-Z]{1,2}\d{1,2}[A-Z]? \d[A-Z]{2}\b")
_US_CODE = re.compile(r"\b[A-Z]{2} (\d{5}(?:-\d{4})?)$")
_ADDRESS_LABEL = re.compile(
    rf"^(?:通[信讯]|联系|家庭|寄件|寄信|现|居?住|详细|邮寄)?(?:地址|住址){_LABEL}|^address{_LABEL}", re.I
)
_CN_ADDRESS = re.compile(
    r"(?:省|自治区|市|区|县).*(?:路|街|道|巷|弄|村|镇|大厦|小区).*\d+\s*(?:号|室|栋|幢|弄|楼)?"
)
_ANY_LABEL = re.compile(r"^[^\s:：]{1,10}[:：]|^[A-Za-z .-]{1,14}:")
_STREET = re.compile(
    r"^\d{1,5}[A-Za-z]?,? [A-Z][\w'. -]{2,40}$|^(?:flat|apartment|unit|suite|p\.?o\.? box)\b", re.I
)


def _postcode(letter: _Letter) -> Field:
    for n, text in enumerate(letter.texts):
        if not letter.ours[n] and (found := _CODE_LABEL.search(text)):
            return Field(found["value"].upper(), _sure(letter, n, _LABELLED))
    for n, text in enumerate(letter.texts):
        if letter.ours[n]:
            continue
        if found := _UK_CODE.search(text):
            return Field(found[0], _sure(letter, n, _PLACED))
        if found := _US_CODE.search(text):
            return Field(found[1], _sure(letter, n, _PLACED))
        if _CN_ADDRESS.search(text) and (found := _CN_CODE.search(text)):
            return Field(found[0], _sure(letter, n, _PLACED))
    return _NOTHING


def _address(letter: _Letter) -> Field:
    texts = letter.texts
    for n, text in enumerate(texts):
        if letter.ours[n] or not (label := _ADDRESS_LABEL.match(text)):
            continue
        value = text[label.end() :].strip()
        following = n + 1
        # A long address goes on in the next line, unless that is another field.
        if following < len(texts) and len(value) > 12 and _continues(letter, n, following):
            value += texts[following]
        if value:
            return Field(_without_code(value), _sure(letter, n, _LABELLED))
    for n, text in enumerate(texts):
        if not letter.ours[n] and len(text) < 60 and _CN_ADDRESS.search(text) and "。" not in text:
            return Field(_without_code(text), _sure(letter, n, _GUESSED))
    return _letterhead(letter)


def _continues(letter: _Letter, n: int, following: int) -> bool:
    text, line = letter.texts[following], letter.lines[n]
    right = max(one.right for one in letter.lines)
    full = not line.right or line.right > right - 3 * line.height
    stops = (_ANY_LABEL, _DEAR, _CLOSE, _ABOUT, _SUBJECT)
    return full and len(text) < 25 and not any(one.match(text) for one in stops) and not _dates(text)


def _letterhead(letter: _Letter) -> Field:
    """The street and what follows it, in the block above date and salutation."""
    texts = letter.texts
    end = next((n for n, text in enumerate(texts) if _dates(text) or _DEAR.match(text)), len(texts))
    for n in range(end):
        if letter.ours[n] or not _STREET.match(texts[n]):
            continue
        block = [texts[n]]
        for m in range(n + 1, min(n + 4, end)):
            if _CONTACT.match(texts[m]) or letter.ours[m] or _ANY_LABEL.match(texts[m]):
                break
            block.append(texts[m])
            if _UK_CODE.search(texts[m]) or _US_CODE.search(texts[m]):
                break
        return Field(_without_code(", ".join(one.strip(" ,") for one in block)), _sure(letter, n, _PLACED))
    return _NOTHING


def _without_code(address: str) -> str:
    for pattern in (_CODE_LABEL, _UK_CODE):
        address = pattern.sub("", address)
    return re.sub(r"[(（]\s*[)）]", "", address).strip(" ,，;；")


# ---- who

_NAME_LABEL = re.compile(
    rf"^(?:投诉|反映|寄[信件]|发[信件]|写信|来信|联系|申诉|举报|申请|署名|签|落款)人?(?:姓名|名)?{_LABEL}(?P<value>\S.*)$"
    rf"|^(?:姓名|客户姓名|签名|署名|本人){_LABEL}(?P<other>\S.*)$|^(?:name|from|sender){_LABEL}(?P<english>\S.*)$",
    re.I,
)
_HAN_NAME = re.compile(
    r"(?P<name>[\u4e00-\u9fff]{2,4}(?:·[\u4e00-\u9fff]{1,6})?)(?:先生|女士|小姐|敬上|谨上|上)?"
)
_I_AM = re.compile(
    r"(?:我叫|本人(?:姓名)?(?:是|叫)?|我的名字[是叫])\s*(?P<name>[\u4e00-\u9fff]{2,4})[，,。（(、]"
)
#: The 120 commonest surnames of China, and the double ones.
_SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹曾彭萧蔡潘田董袁于余叶蒋杜苏魏程吕丁沈任姚卢傅钟姜崔谭廖范汪陆"
    "金石戴贾韦夏邱方侯邹熊孟秦白江阎薛尹段雷黎史龙陶贺顾毛郝龚邵万钱严赖覃洪武莫孔汤向常温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷"
    "詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古"
    "吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_DOUBLE = frozenset(
    {"欧阳", "上官", "司马", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "令狐", "司徒", "端木", "夏侯"}
)
_LATIN_NAME = re.compile(
    r"^(?:(?:mr|mrs|ms|miss|dr|prof)\.? )?(?P<name>(?:[A-Z][\w'’-]*\.? ){1,3}[A-Z][\w'’-]+)"
    r"(?:,? (?:\((?:mr|mrs|ms|miss|dr)\.?\)|esq\.?|phd))?[.,]?$",
    re.I,
)
_CAPITAL = re.compile(r"^[A-Z]")


def _name(letter: _Letter) -> Field:
    texts = letter.texts
    for n, text in enumerate(texts):
        if letter.ours[n] or not (found := _NAME_LABEL.match(text)):
            continue
        value = next(value for value in found.groups() if value).strip()
        if name := _as_name(value):
            return Field(name, _sure(letter, n, _LABELLED))
    return _signature(letter) or _introduced(letter) or _head_name(letter) or _NOTHING


def _as_name(value: str) -> str:
    """The name in what follows a label; empty when it is something else."""
    if (han := _HAN_NAME.match(value)) and not re.match(r"[\u4e00-\u9fff]", value[han.end() :][:1]):
        return re.sub(r"(?:先生|女士|小姐)$", "", han["name"]) or han["name"]
    latin = _LATIN_NAME.match(value)
    return latin["name"] if latin else ""


def _signature(letter: _Letter) -> Field | None:
    """The line below the closing words, or above the date at the end."""
    texts = letter.texts
    closes = [n for n, text in enumerate(texts) if _CLOSE.match(text)]
    after = range(closes[-1] + 1, min(closes[-1] + 5, len(texts))) if closes else range(0)
    ends = [
        n - 1
        for n, text in enumerate(texts)
        if n > len(texts) // 2 and any(alone for _, alone in _dates(text))
    ]
    for n, sure in [*((n, _PLACED) for n in after), *((n, _GUESSED) for n in reversed(ends))]:
        if n < 0 or letter.ours[n]:
            continue
        # Name and date may stand in one row.
        text = re.sub(r"\s*\d{4}\s*年.*$", "", texts[n]).strip()
        squeezed = re.sub(r"\s+", "", text)
        if (han := _HAN_NAME.fullmatch(squeezed)) and _is_surname(han["name"]):
            return Field(
                re.sub(r"(?:先生|女士|小姐)$", "", han["name"]) or han["name"], _sure(letter, n, sure)
            )
        if (latin := _LATIN_NAME.match(text)) and _CAPITAL.match(text):
            return Field(latin["name"], _sure(letter, n, sure))
    return None


def _is_surname(name: str) -> bool:
    return name[0] in _SURNAMES or name[:2] in _DOUBLE


def _introduced(letter: _Letter) -> Field | None:
    """ "My name is …"."""
    for n, text in enumerate(letter.texts):
        if found := _I_AM.search(text):
            return Field(found["name"], _sure(letter, n, _GUESSED))
        if english := re.search(r"\bmy name is (?P<name>(?:[A-Z][\w'’-]+ ?){2,3})", text):
            return Field(english["name"].strip(), _sure(letter, n, _GUESSED))
    return None


def _head_name(letter: _Letter) -> Field | None:
    """The first line of a letterhead, if it is a name."""
    for n, text in enumerate(letter.texts[:2]):
        if _DEAR.match(text) or _SUBJECT.match(text):
            return None
        if not letter.ours[n] and _CAPITAL.match(text) and (latin := _LATIN_NAME.match(text)):
            return Field(latin["name"], _sure(letter, n, _GUESSED))
    return None


# ---- how the writer wants to be answered

_WISHES = (
    (
        "phone",
        re.compile(
            r"(?:请|望|希望|盼|麻烦)[^。；]{0,12}(?:电话|来电|致电|短信|手机)[^。；]{0,6}(?:联系|回复|答复|告知|通知|回电)?"
        ),
    ),
    (
        "email",
        re.compile(
            r"(?:请|望|希望|盼|麻烦)[^。；]{0,12}(?:电子邮件|邮件|邮箱|e-?mail)[^。；]{0,6}(?:联系|回复|答复|告知|通知)",
            re.I,
        ),
    ),
    (
        "address",
        re.compile(
            r"(?:请|望|希望|盼|麻烦)[^。；]{0,12}(?:回信|来信|信函|邮寄|书信)[^。；]{0,6}(?:回复|答复|告知|通知)?"
        ),
    ),
    (
        "email",
        re.compile(
            r"(?:repl(?:y|ies)|respond|response|answer|contact me|reach me|write)[^.;]{0,30}\b(?:by|via|per) e-?mail",
            re.I,
        ),
    ),
    (
        "phone",
        re.compile(
            r"(?:repl(?:y|ies)|respond|response|answer|contact me|reach me)[^.;]{0,30}"
            r"\b(?:by|via|on|over) (?:the )?(?:tele)?phone"
            r"|(?:please|kindly) (?:call|ring|phone) me",
            re.I,
        ),
    ),
    (
        "address",
        re.compile(
            r"(?:repl(?:y|ies)|respond|response|answer|contact me)[^.;]{0,30}\b(?:by|via) (?:post|letter|mail)\b",
            re.I,
        ),
    ),
)


def _prefers(text: str) -> str:
    found = [(match.start(), kind) for kind, pattern in _WISHES if (match := pattern.search(text))]
    return min(found)[1] if found else ""
