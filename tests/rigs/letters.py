"""Letters that nobody wrote, printed and scanned by a script, with all that is known of them.

    letter = letters.write(seed)                       # who writes what; the same for the same seed
    pages = letters.printed(letter, letters.fonts()[0], dpi=200)
    scans = [letters.scanned(one, random, skew=2.0, stamp=True) for one in pages]
    data = letters.pdf(scans, dpi=200)

Names are invented; telephone numbers and mail domains are those that exist for examples.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import numpy as np
import zxingcpp
from PIL import Image, ImageDraw, ImageFont

#: A4 in inches.
WIDTH, HEIGHT = 8.27, 11.69
_MARGIN = 1.0
#: Where Debian keeps the fonts of `fonts-noto-cjk` and `fonts-wqy-microhei`: (file, face of simplified Chinese).
_FONTS = (
    ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    ("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2),
    ("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc", 0),
)


@dataclass(frozen=True, slots=True)
class Font:
    """A font file and the face in it."""

    path: str
    face: int = 0

    def at(self, points: float, dpi: int) -> ImageFont.FreeTypeFont:
        return ImageFont.truetype(self.path, round(points * dpi / 72), index=self.face)


def fonts() -> list[Font]:
    """The three fonts of the measured set that are installed, else the one that the package brings."""
    found = [Font(path, face) for path, face in _FONTS if Path(path).exists()]
    if found:
        return found
    from cvttf_NotoSansCJK_Regular import get_TTF_path

    return [Font(get_TTF_path())]


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is set: text, where it begins or ends, and the space before it in lines."""

    text: str
    align: str = "left"
    before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """Who writes, and what; `paragraphs` are wrapped when they are printed."""

    language: str
    name: str
    address: str
    postcode: str
    phone: str
    email: str
    date: str
    """ISO date."""
    subject: str
    head: tuple[Line, ...] = ()
    paragraphs: tuple[str, ...] = ()
    foot: tuple[Line, ...] = ()


@dataclass(slots=True)
class Page:
    """A printed page and the lines on it, in reading order."""

    image: Image.Image
    lines: list[str] = field(default_factory=list)


# ---- what is written

_SURNAMES = "张王李赵陈刘杨黄周吴徐孙马朱胡林郭何高罗郑梁谢宋唐许邓冯韩曹"
_GIVEN = (
    "晓明",
    "建华",
    "丽娟",
    "志强",
    "雨桐",
    "国栋",
    "海燕",
    "子涵",
    "秀英",
    "文博",
    "春梅",
    "思远",
    "佳怡",
    "立新",
)
_ROADS = ("建设路", "和平街", "人民大道", "新华路", "长江路", "光明巷", "解放东路", "学府街")
_TOWNS = (
    ("100020", "北京市朝阳区"),
    ("200040", "上海市静安区"),
    ("510620", "广东省广州市天河区"),
    ("610041", "四川省成都市武侯区"),
    ("430070", "湖北省武汉市洪山区"),
    ("010020", "内蒙古自治区呼和浩特市新城区"),
    ("310013", "浙江省杭州市西湖区"),
    ("050011", "河北省石家庄市长安区"),
)
_MATTERS_ZH = (
    "电梯长期停运",
    "订阅报纸未按时送达",
    "广告内容失实",
    "退款迟迟未到账",
    "客服电话无人接听",
    "发票信息有误",
    "合同费用重复扣除",
)
_SAID_ZH = (
    "我是贵公司的老用户，已连续使用贵方服务五年有余。",
    "自本月三日起，上述问题反复出现，至今没有得到解决。",
    "我曾三次拨打客服热线，每次都被告知“已经登记，请耐心等待”，但此后再无任何回音。",
    "楼内住有多位老人和一名孕妇，每天上下十二层楼，十分不便，也存在安全隐患。",
    "按照双方合同第八条的约定，贵公司应当在两个工作日内派人到场处理。",
    "截至今日，我已多支付人民币1286.50元，相关凭证复印件随信附上。",
    "请贵公司查明原因，明确责任，并在十五日内给予书面答复。",
    "如果继续拖延，我将依法向市场监督管理部门反映情况。",
    "我理解贵公司业务繁忙，但对用户的承诺应当兑现。",
    "另外，现场工作人员态度尚可，只是缺少备用零件，希望一并改进。",
    "随信寄去照片四张、收据两张，请核对。",
    "上个月的账单显示共有三笔扣款，其中两笔的日期和金额完全相同。",
    "希望贵公司能够举一反三，避免类似情况再次发生。",
    "为便于联系，请在工作日的九点至十七点之间来电。",
)
_FIRST = (
    "Alice",
    "Thomas",
    "Margaret",
    "Oliver",
    "Hannah",
    "George",
    "Priya",
    "Daniel",
    "Sophie",
    "Martin",
    "Ruth",
    "Samuel",
)
_LAST = (
    "Whitfield",
    "Carrow",
    "Penhallow",
    "Ashdown",
    "Marlowe",
    "Tilbury",
    "Hargrave",
    "Okafor",
    "Lindqvist",
    "Brandt",
    "Fenwick",
)
_STREETS = ("Mill Lane", "Station Road", "Orchard Street", "Harbour View", "Church Hill", "Willow Avenue")
_PLACES = (
    ("Exmouth", "EX99 1AA"),
    ("Northbridge", "NB9 4ZZ"),
    ("Westhaven", "WH98 7QX"),
    ("Ashcombe", "AS97 2LL"),
)
_MATTERS_EN = (
    "Lift out of service",
    "Newspaper not delivered",
    "Refund not received",
    "Misleading advertisement",
    "Invoice charged twice",
    "No answer from the hotline",
)
_SAID_EN = (
    "I have been a customer of yours for more than five years and have never had reason to complain before.",
    "Since the third of this month the problem described above has come back again and again.",
    "I rang your hotline on three occasions; each time I was told that my call had been noted and nothing followed.",
    "Several elderly people live in the building, and they have to climb twelve floors every day.",
    "According to clause 8 of our agreement, an engineer should have attended within two working days.",
    "So far I have paid 1,286.50 too much, as the enclosed copies of my statements show.",
    "Please look into the cause and let me have your written reply within fifteen days.",
    "I understand that you are busy, but a promise made to a customer ought to be kept.",
    "The staff on site were polite, yet they did not have the spare parts that they needed.",
    "Four photographs and two receipts are enclosed for your information.",
    "Last month's bill lists three payments, two of which bear the same date and the same amount.",
    "I would be grateful if you could take steps so that this does not happen to others.",
)
#: Whom the letters go to: never to be taken for the sender.
US_ZH = ("样例传媒有限公司客户服务部", "北京市海淀区样例路1号", "010-00000000")
US_EN = ("Customer Relations", "Example Transit Ltd.", "1 Example Street, Exampleton EX1 1EX")


def brief(seed: int) -> Letter:
    """A letter of a few lines, which takes less time to recognise."""
    whole = write(seed)
    return replace(whole, paragraphs=tuple(one[:60] for one in whole.paragraphs[:1]))


def write(seed: int, *, long: bool = False) -> Letter:
    """A letter; every second one is Chinese. `long` fills two pages."""
    random = Random(seed)
    return _chinese(random, long) if seed % 2 == 0 else _english(random, long)


def _chinese(random: Random, long: bool) -> Letter:
    name = random.choice(_SURNAMES) + random.choice(_GIVEN)
    postcode, town = random.choice(_TOWNS)
    house, block, stair = random.randint(1, 300), random.randint(1, 30), random.randint(1, 4)
    address = f"{town}{random.choice(_ROADS)}{house}号{block}栋{stair}单元{random.randint(101, 2904)}室"
    # A block of numbers that belongs to an operator's own service line.
    phone = f"138001380{random.randint(10, 99)}"
    shown = random.choice(
        (phone, f"{phone[:3]} {phone[3:7]} {phone[7:]}", f"{phone[:3]}-{phone[3:7]}-{phone[7:]}")
    )
    box = f"{random.choice(('zhang', 'wang', 'li', 'chen', 'liu'))}.{random.randint(10, 999)}"
    email = f"{box}@example.{random.choice(('com', 'net', 'org'))}"
    year, month, day = 2026, random.randint(1, 10), random.randint(1, 28)
    matter = random.choice(_MATTERS_ZH)
    contact = [
        Line(f"联系电话：{shown}"),
        Line(f"{random.choice(('电子邮箱', '邮箱', 'E-mail'))}：{email}"),
        Line(f"{random.choice(('地址', '通信地址', '联系地址'))}：{address}"),
        Line(f"{random.choice(('邮编', '邮政编码'))}：{postcode}"),
    ]
    head: list[Line] = []
    style = random.randrange(3)
    if style == 0:
        head += [Line(f"{random.choice(('寄信人', '投诉人'))}：{name}"), *contact]
        head += [Line(f"关于{matter}的{random.choice(('投诉', '反映'))}", "centre", 1)]
    elif style == 1:
        head += [Line(f"收件人：{US_ZH[0]}"), Line(f"地址：{US_ZH[1]}"), Line(f"主题：{matter}", before=1)]
    else:
        head += [Line("投诉信", "centre"), Line(f"事由：{matter}", before=0.5)]
    head += [Line(random.choice(("尊敬的客户服务部：", "客服中心负责同志：", "贵公司领导：")), before=0.7)]
    foot = [Line("　　此致"), Line("敬礼！")]
    signed = name if style == 0 else random.choice((f"投诉人：{name}", f"反映人：{name}", name))
    foot += [Line(signed, "right", 0.7), Line(f"{year}年{month}月{day}日", "right")]
    if style != 0:
        contact[0] = Line(contact[0].text, before=1)
        foot += contact
    said = _said(random, _SAID_ZH, 34 if long else random.randint(6, 9))
    paragraphs = tuple("　　" + "".join(said[n : n + 4]) for n in range(0, len(said), 4))
    return Letter(
        language="zh",
        name=name,
        address=address,
        postcode=postcode,
        phone=f"+86{phone}",
        email=email,
        date=f"{year}-{month:02}-{day:02}",
        subject=matter,
        head=tuple(head),
        paragraphs=paragraphs,
        foot=tuple(foot),
    )


_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _english(random: Random, long: bool) -> Letter:
    first, last = random.choice(_FIRST), random.choice(_LAST)
    name = f"{first} {last}"
    town, postcode = random.choice(_PLACES)
    street = f"{random.randint(1, 240)} {random.choice(_STREETS)}"
    # Ofcom's numbers for drama: no line will ever have them.
    number = f"{random.randint(0, 999):03}"
    phone, shown = random.choice(
        (
            (f"+447700900{number}", f"07700 900{number}"),
            (f"+441632960{number}", f"01632 960{number}"),
            (f"+442079460{number}", f"+44 20 7946 0{number}"),
        )
    )
    email = f"{first.lower()}.{last.lower()}@example.{random.choice(('com', 'net', 'org'))}"
    month, day = random.randint(1, 10), random.randint(1, 28)
    matter = random.choice(_MATTERS_EN)
    align = random.choice(("left", "right"))
    head = [
        Line(name, align),
        Line(street, align),
        Line(f"{town} {postcode}", align),
        Line(f"{random.choice(('Tel', 'Phone', 'Tel.'))}: {shown}", align),
        Line(f"{random.choice(('E-mail', 'Email'))}: {email}", align),
        Line(f"{day} {_MONTHS[month - 1]} 2026", align, 0.7),
        *(Line(text, before=0.7 if n == 0 else 0) for n, text in enumerate(US_EN)),
        Line(
            random.choice(("Dear Sir or Madam,", "To whom it may concern,", "Dear Customer Relations,")),
            before=0.7,
        ),
        Line(f"{random.choice(('Re', 'Subject', 'RE'))}: {matter}", before=0.5),
    ]
    foot = [
        Line(random.choice(("Yours faithfully,", "Yours sincerely,", "Kind regards,"))),
        Line(name, before=1.5),
    ]
    said = _said(random, _SAID_EN, 44 if long else random.randint(6, 9))
    paragraphs = tuple(" ".join(said[n : n + 3]) for n in range(0, len(said), 3))
    return Letter(
        language="en",
        name=name,
        address=f"{street}, {town}",
        postcode=postcode,
        phone=phone,
        email=email,
        date=f"2026-{month:02}-{day:02}",
        subject=matter,
        head=tuple(head),
        paragraphs=paragraphs,
        foot=tuple(foot),
    )


def _said(random: Random, sentences: Sequence[str], n: int) -> list[str]:
    said: list[str] = []
    while len(said) < n:
        said += random.sample(sentences, len(sentences))
    return said[:n]


# ---- printing


def printed(letter: Letter, font: Font, *, dpi: int = 200, points: float = 12.0) -> list[Page]:
    """The letter on as many pages as it takes, in black on white."""
    set_ = font.at(points, dpi)
    step = points * 1.65 * dpi / 72
    left, right = _MARGIN * dpi, (WIDTH - _MARGIN) * dpi
    pages: list[Page] = []
    y = math.inf

    def put(text: str, align: str = "left", before: float = 0.0) -> None:
        nonlocal y
        if y + step * (1 + before) > (HEIGHT - _MARGIN) * dpi:
            size = (round(WIDTH * dpi), round(HEIGHT * dpi))
            pages.append(Page(Image.new("L", size, 255)))
            y = _MARGIN * dpi
        else:
            y += step * before
        width = set_.getlength(text)
        x = {"left": left, "right": right - width, "centre": (left + right - width) / 2}[align]
        ImageDraw.Draw(pages[-1].image).text((x, y), text, 0, font=set_)
        pages[-1].lines.append(text)
        y += step

    for line in letter.head:
        put(line.text, line.align, line.before)
    for n, paragraph in enumerate(letter.paragraphs):
        for m, text in enumerate(_wrapped(paragraph, set_, right - left)):
            put(text, before=0.6 if m == 0 and (n == 0 or letter.language == "en") else 0)
    for n, line in enumerate(letter.foot):
        put(line.text, line.align, line.before + (0.6 if n == 0 else 0))
    return pages


#: What no line of Chinese begins with.
_NOT_FIRST = "，。；：、！？”）"


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: float) -> list[str]:
    """The text in lines: English at spaces, Chinese anywhere but before a punctuation mark."""
    english = " " in text.strip() and text.isascii()
    units = [word + " " for word in text.split(" ")] if english else list(text)
    lines, line = [], ""
    for unit in units:
        if line and font.getlength((line + unit).rstrip()) > width and unit not in _NOT_FIRST:
            lines.append(line.rstrip())
            line = ""
        line += unit
    return [*lines, line.rstrip()]


# ---- scanning


def scanned(
    page: Image.Image,
    random: Random,
    *,
    dpi: int,
    skew: float = 0.0,
    turn: int = 0,
    sigma: float = 12.0,
    stamp: bool = False,
    quality: int = 60,
) -> bytes:
    """A page as a scanner sees it, as a JPEG: skewed by degrees, turned by quarters, noisy, perhaps stamped."""
    image = page.convert("RGB") if stamp else page
    if stamp:
        image = stamped(image, random, dpi)
    if skew:
        white = (255, 255, 255) if image.mode == "RGB" else 255
        image = image.rotate(skew, Image.Resampling.BICUBIC, fillcolor=white)
    if turn:
        image = image.rotate(turn, expand=True)
    if sigma:
        noise = np.random.default_rng(random.getrandbits(32)).normal(0, sigma, np.asarray(image).shape)
        image = Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, dpi=(dpi, dpi))
    return out.getvalue()


def stamped(page: Image.Image, random: Random, dpi: int) -> Image.Image:
    """The page with a red round stamp over up to a twentieth of its text."""
    radius = round(0.62 * dpi)
    ink = (205, 30, 40)
    stamp = Image.new("RGB", page.size, (255, 255, 255))
    draw = ImageDraw.Draw(stamp)
    x = random.randint(round(2 * dpi), round((WIDTH - 2) * dpi))
    y = random.randint(round(3 * dpi), round((HEIGHT - 3) * dpi))
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=ink, width=max(3, dpi // 40))
    points = [
        (
            x + math.sin(n * math.pi / 5) * radius * (0.32 if n % 2 == 0 else 0.13),
            y - math.cos(n * math.pi / 5) * radius * (0.32 if n % 2 == 0 else 0.13),
        )
        for n in range(10)
    ]
    draw.polygon(points, fill=ink)
    font = fonts()[0].at(11, dpi)
    for n, character in enumerate("样例传媒收文专用"):
        angle = (n - 3.5) * 0.62
        at = (x + math.sin(angle) * radius * 0.72, y - math.cos(angle) * radius * 0.72)
        draw.text(at, character, ink, font=font, anchor="mm")
    # Ink on paper takes light away: black stays black under it.
    return Image.fromarray(np.minimum(np.asarray(page), np.asarray(stamp)))


def blank(random: Random, *, dpi: int, specks: int = 12, shine: bool = True) -> Image.Image:
    """The empty back of a sheet: some specks, and what shines through from the other side."""
    page = Image.new("L", (round(WIDTH * dpi), round(HEIGHT * dpi)), 255)
    draw = ImageDraw.Draw(page)
    if shine:
        for n in range(10):
            draw.rectangle((dpi, dpi * (2 + n * 0.5), dpi * 5, dpi * (2 + n * 0.5) + dpi // 12), fill=243)
    for _ in range(specks):
        x, y = random.randrange(page.width), random.randrange(page.height)
        draw.ellipse((x, y, x + dpi // 100, y + dpi // 100), fill=60)
    return page


def separator(text: str = "FOREBAY-SEPARATOR", *, dpi: int) -> Image.Image:
    """A sheet that is laid between two letters: a QR code and some words."""
    made = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    code = Image.fromarray(np.asarray(made.to_image(scale=1, add_quiet_zones=False)))
    side = round(2 * dpi)
    page = Image.new("L", (round(WIDTH * dpi), round(HEIGHT * dpi)), 255)
    page.paste(code.resize((side, side), Image.Resampling.NEAREST), ((page.width - side) // 2, 2 * dpi))
    ImageDraw.Draw(page).text((dpi, 6 * dpi), "Separator sheet 分隔页", 0, font=fonts()[0].at(24, dpi))
    return page


# ---- files


def pdf(scans: Sequence[bytes], dpi: int) -> bytes:
    """JPEG pages as one PDF, as scanners make them: the JPEG data unchanged."""
    from fpdf import FPDF

    made = FPDF(unit="pt")
    for data in scans:
        width, height = Image.open(io.BytesIO(data)).size
        made.add_page(format=(width * 72 / dpi, height * 72 / dpi))
        made.image(io.BytesIO(data), 0, 0, width * 72 / dpi, height * 72 / dpi)
    return bytes(made.output())


def tiff(scans: Sequence[bytes], dpi: int) -> bytes:
    """Pages as one TIFF, compressed by Deflate."""
    first, *more = [Image.open(io.BytesIO(data)) for data in scans]
    out = io.BytesIO()
    options: dict[str, object] = {"compression": "tiff_adobe_deflate", "dpi": (dpi, dpi)}
    if more:
        options |= {"save_all": True, "append_images": more}
    first.save(out, "TIFF", **options)  # type: ignore[arg-type]
    return out.getvalue()
