"""What is new in a text: without quoted history and signature, line by line and in linear time."""

from __future__ import annotations

import re

#: "Wrote" near the end of the line above a quotation, as the mail programs of many languages put it.
WROTE = re.compile(
    r"(?<!\w)(?:wrote|schrieb|a écrit|escribió|ha scritto|escreveu|schreef|skrev|kirjoitti"
    r"|napisał(?:\(a\)|a)?"
    r"|napsal(?:\(a\)|a)?|написал(?:\(а\)|а)?|пише|пишет|написав|yazdı|έγραψε|írta|scris|đã viết|menulis"
    r"|כתב|כתבה|كتب)(?!\w).{0,120}[:：]$",
    re.I,
)
WROTE_CJK = re.compile(r"(?:写道|寫道|写了|のメール|書きました|작성|작성했습니다)\s*[:：]$")
DATED = re.compile(r"\d|@")
#: How such a line begins, for those that are broken over two or three lines.
WROTE_BEGIN = re.compile(
    r"^(?:on|am|le|el|il|em|op|den|dne|w dniu|в|dnia|pe|ons|mån|tors|man|tir|tor|fre|lør|søn|vào|pada|"
    r"在|于|於|\d{4}[年/.-]\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})",
    re.I,
)
#: Field names above a quoted mail, in the manner of Outlook, QQ Mail, NetEase, Foxmail and phones.
FIELDS = re.compile(
    r"^[>*\s|]*(?P<name>from|sent|to|subject|date|cc|von|gesendet|an|betreff|datum|de|envoyé|à"
    r"|objet|date|enviado(?: el)?|"
    r"para|asunto|da|inviato|a|oggetto|data|assunto|van|verzonden|aan|onderwerp|fra|sendt|til|emne"
    r"|dato|från|skickat|"
    r"till|ämne|od|wysłano|do|temat|odesláno|komu|předmět|от|отправлено|кому|тема|дата|kimden"
    r"|gönderildi|kime|konu|"
    r"发件人|發件人|寄件者|寄件人|发送时间|發送時間|发送日期|日期|傳送時間|收件人|收件者|抄送|抄送人|副本|主题|主題|主旨|時間|时间|"
    r"差出人|送信日時|宛先|件名|보낸 사람|보낸 날짜|받는 사람|제목)[ *\"]{0,3}[:：]",
    re.I,
)
FROM_NAMES = frozenset(
    {"from", "von", "de", "da", "van", "fra", "från", "od", "от", "kimden"}
    | {"发件人", "發件人", "寄件者", "寄件人", "差出人", "보낸 사람"}
)
#: A ruled line with words such as "original message" between the rules.
RULED = re.compile(
    r"^[>*\s]*+[-_=]{2,}+\s*(?:original (?:message|email|mail)|originalnachricht"
    r"|ursprüngliche nachricht|message d'origine|"
    r"message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|"
    r"oprindelig meddelelse|ursprungligt meddelande|original(?:meddelande|melding)?|původní zpráva"
    r"|wiadomość oryginalna|"
    r"исходное сообщение|forwarded (?:message|by)|forwarded|weitergeleitete nachricht"
    r"|reply (?:message|all|above.*)|"
    r"原始邮件|原始郵件|原邮件|原始信息|原郵件"
    r"|转发(?:的)?邮件(?:信息)?|轉寄郵件|回复邮件|回复的(?:原)?邮件"
    r"|回复的原邮件|引用|元のメッセージ|원본 메일|원본 메시지)"
    r".{0,80}$",
    re.I,
)
#: A bare rule under which Outlook repeats the fields.
RULE = re.compile(r"^\s*(?:_{20,}|-{20,}|={20,})\s*$")
QUOTE_MARK = re.compile(r"^\s{0,3}[>＞|](?!\S*<\S)")
#: The delimiter of a signature (RFC 3676 §4.3), also without its blank and with underscores.
SIGNATURE = re.compile(r"^(?:--|__|—|——|–)\s*$")
DASHED_NAME = re.compile(r"^-\s{0,2}[A-Z]\w+(?: [A-Z]\w+){0,2}\s*$")
SENT_FROM = re.compile(
    r"^[\s>]*(?:sent from (?:my|the|a|outlook|mail for|yahoo|samsung|proton"
    r"|android)\b(?: ?[\w®™-]+){0,6}|get outlook for .{0,40}|"
    r"sendt fra (?:min|mit) .{0,40}|skickat från min .{0,40}|gesendet (?:von|mit) (?:meinem?"
    r"|outlook).{0,40}|"
    r"von meinem .{0,30} gesendet|envoyé (?:de|depuis) mon .{0,40}|enviado (?:desde|do) (?:mi"
    r"|meu) .{0,40}|"
    r"inviato da(?:l mio)? .{0,40}|verzonden (?:vanaf|met) .{0,40}|verstuurd vanaf .{0,40}"
    r"|wysłane z .{0,40}|"
    r"odesláno z .{0,40}|отправлено (?:с|из) .{0,40}|iphoneから送信|"
    r"(?:发自|發自|来自|來自|从我的|從我的|從).{0,20}(?:iphone|ipad|手机|手機|邮箱|郵箱|邮件|mail|outlook|foxmail|发送|發送|客户端"
    r"|安卓|android|小米|华为|huawei|honor|荣耀|vivo|oppo).{0,20}|"
    r"(?:获取|獲取|下载|下載).{0,4}outlook.{0,30})[\s.<>\w:/]*$",
    re.I,
)
#: Words that close a letter; what follows them in a few short lines is a signature.
CLOSING = re.compile(
    r"^\s*(?:(?:best|kind|warm|many)?\s*regards|best wishes|yours (?:sincerely|faithfully|truly)"
    r"|sincerely(?: yours)?|cheers|"
    r"mit freundlichen grüßen|viele grüße|beste grüße|med venlig hilsen|venlig hilsen|mvh|dbh|kh|hilsen|"
    r"med vänliga? hälsning(?:ar)?|vänliga? hälsning(?:ar)?|hälsningar"
    r"|met vriendelijke groet(?:en)?|groeten|"
    r"cordialement|bien cordialement|saludos(?: cordiales)?|un saludo|cordiali saluti"
    r"|distinti saluti|atenciosamente|"
    r"z poważaniem|pozdrawiam|s pozdravem|с уважением|"
    r"此致|顺颂商祺|順頌商祺|祝好|祝商祺|敬上|以上、?よろしくお願いいたします。?)\s*[,，.!！。]?\s*$",
    re.I,
)
#: Longest line that can be the head of a quotation, characters.
HEAD_WIDTH = 500
#: Lines that a signature after a closing has at the most, and the longest of them, characters.
SIGNATURE_LINES, SIGNATURE_WIDTH = 12, 80
#: A trimmed text without this much in it is not trusted.
WORDED = re.compile(r"[^\W_].*?[^\W_]", re.S)


def trim(text: str) -> str:
    """The new part of `text`; the whole text when nothing, or next to nothing, would be left."""
    lines = text.replace("\r\n", "\n").split("\n")
    kept = _without_quotes(lines)
    kept = _without_signature(kept)
    new = "\n".join(kept).strip("\n").rstrip()
    return new if worded(new) or not worded(text) else text.strip("\n").rstrip()


def worded(text: str) -> bool:
    """Whether at least two letters or digits stand in it."""
    return WORDED.search(text) is not None


def _without_quotes(lines: list[str]) -> list[str]:
    kept: list[str] = []
    i = 0
    while i < len(lines):
        line = lines[i]
        if QUOTE_MARK.match(line):
            i += 1
            continue
        width = _header_lines(lines, i)
        if width:
            after = _next_text(lines, i + width)
            if after is not None and QUOTE_MARK.match(lines[after]):
                i += width  # the quotation is marked: answers may stand between and below
                continue
            if worded("\n".join(kept)):
                break
            # Nothing new above: a forward, or an answer below an unmarked quotation.
            return lines
        kept.append(line)
        i += 1
    return kept


def _header_lines(lines: list[str], i: int) -> int:
    """How many lines, from `i` on, are the head of a quotation; 0 when none."""
    line = lines[i]
    if not line.strip() or len(line) > HEAD_WIDTH:
        return 0
    if RULED.match(line):
        return 1
    if RULE.match(line):
        after = _next_text(lines, i + 1)
        return after - i if after is not None and _field_block(lines, after) else 0
    if _field_block(lines, i):
        return 1
    for width in (1, 2, 3):
        if i + width > len(lines):
            break
        if width > 1 and not WROTE_BEGIN.match(line.strip()):
            break
        if width > 1 and not lines[i + width - 1].strip():
            break
        if _says_wrote(" ".join(piece.strip() for piece in lines[i : i + width])):
            return width
    return 0


def _says_wrote(line: str) -> bool:
    """Whether a line says when and who wrote what follows."""
    line = line.lstrip("> ").strip("*_ ")
    if len(line) > 400 or not line.endswith((":", "：")):
        return False
    return bool(WROTE_CJK.search(line)) or bool(DATED.search(line) and WROTE.search(line))


def _field_block(lines: list[str], i: int) -> bool:
    """Whether a sender's field stands at `i` and at least one more field within the next lines."""
    match = FIELDS.match(lines[i])
    if match is None or match["name"].lower() not in FROM_NAMES:
        return False
    others = 0
    for line in lines[i + 1 : i + 8]:
        if FIELDS.match(line):
            others += 1
    return others >= 1


def _next_text(lines: list[str], i: int) -> int | None:
    for j in range(i, min(len(lines), i + 4)):
        if lines[j].strip():
            return j
    return None


def _without_signature(lines: list[str]) -> list[str]:
    """Cut at the signature: its delimiter, the phone's line, or a closing followed by little."""
    little = _little_after(lines)
    begun = False
    for i, line in enumerate(lines):
        if begun and _begins_signature(line, little[i]):
            return lines[:i]
        begun = begun or bool(line.strip())
    return lines


def _begins_signature(line: str, little: bool) -> bool:
    if len(line) > 2 * SIGNATURE_WIDTH:
        return False
    if SIGNATURE.match(line):
        return True
    return little and bool(SENT_FROM.match(line) or DASHED_NAME.match(line) or CLOSING.match(line))


def _little_after(lines: list[str]) -> list[bool]:
    """For each line, whether what follows it is no more than a signature: few lines, and short ones."""
    found: list[bool] = []
    count, short = 0, True
    for line in reversed(lines):
        found.append(short and count <= SIGNATURE_LINES)
        count += bool(line.strip())
        short = short and len(line) <= SIGNATURE_WIDTH
    return found[::-1]
