"""What the mail programs of the world write above and below: heads of quotations, signatures, in their languages.

The patterns look at one line at a time, and are linear in its length.
"""

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
#: An address, as it stands in the line above a quotation.
BRACKETED = re.compile(r"[<(\[][^\s<>@]{1,64}@[^\s<>@]{1,255}[>)\]]")
DATED = re.compile(r"\d|@")
#: How such a line begins, for those that are broken over two or three lines.
WROTE_BEGIN = re.compile(
    r"^(?:on|am|le|el|il|em|op|den|dne|w dniu|в|dnia|pe|ons|mån|tors|man|tir|tor|fre|lør|søn|vào|pada|"
    r"在|于|於|\d{4}[年/.-]\d{1,2}|\d{1,2}[./]\d{1,2}[./]\d{2,4})",
    re.I,
)
#: Field names above a quoted mail, in the manner of Outlook, QQ Mail, NetEase, Foxmail and phones.
FIELDS = re.compile(
    r"^[>*\s|]*+(?P<name>from|sent|to|subject|date|cc|von|gesendet|an|betreff|datum|de|envoyé|à"
    r"|objet|date|enviado(?: el)?|"
    r"para|asunto|da|inviato|a|oggetto|data|assunto|van|verzonden|aan|onderwerp|fra|sendt|til|emne"
    r"|dato|från|skickat|"
    r"till|ämne|od|wysłano|do|temat|odesláno|komu|předmět|от|отправлено|кому|тема|дата|kimden"
    r"|gönderildi|kime|konu|lähettäjä|lähetetty|vastaanottaja|aihe|päivämäärä|feladó|elküldve|címzett|tárgy|dátum"
    r"|από|στάλθηκε|προς|θέμα|ημερομηνία|від|надіслано|кому|тема|de la|trimis|către|subiect|từ|đã gửi|gửi lúc"
    r"|đến|tới|chủ đề|enviada em|enviado em|data wysłania|expéditeur|destinataire|absender|empfänger|remitente|"
    r"发件人|發件人|寄件者|寄件人|已发送|发送时间|發送時間|发送日期|日期|傳送時間|收件人|收件者|抄送|抄送人|副本|主题|主題|主旨|時間|时间|"
    r"差出人|送信者|送信日時|日時|宛先|件名|보낸사람|받는사람|날짜|보낸 사람|보낸 날짜|받는 사람|제목)"
    r"(?:[ *\"\u3000]{0,3}[:：]|\s{0,3}\|)",
    re.I,
)
FROM_NAMES = frozenset(
    {
        "from",
        "von",
        "de",
        "da",
        "van",
        "fra",
        "från",
        "od",
        "от",
        "kimden",
        "lähettäjä",
        "feladó",
        "από",
        "від",
    }
    | {"de la", "từ", "expéditeur", "absender", "remitente", "送信者", "보낸사람"}
    | {"发件人", "發件人", "寄件者", "寄件人", "差出人", "보낸 사람"}
)
#: A ruled line with words such as "original message" between the rules.
RULED = re.compile(
    r"^[>*\s]*+[-_=]{2,}+\s*(?:original (?:message|email|mail)|originalnachricht"
    r"|ursprüngliche nachricht|message d['’]origine|"
    r"message original|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|"
    r"oprindelig meddelelse|ursprungligt meddelande|original(?:meddelande|melding)?|původní zpráva"
    r"|wiadomość oryginalna|"
    r"исходное сообщение|forwarded (?:message|by)|forwarded|weitergeleitete nachricht"
    r"|reply (?:message|all|above.*)|"
    r"原始邮件|原始郵件|原邮件|原始信息|原郵件"
    r"|转发(?:的)?邮件(?:信息)?|轉寄郵件|回复邮件|回复的(?:原)?邮件"
    r"|回复的原邮件|引用|元のメッセージ|원본 메일|원본 메시지|opprinnelig melding|alkuperäinen viesti"
    r"|eredeti üzenet|mesaj original|αρχικό μήνυμα|orijinal ileti|пересылаемое сообщение|вихідне повідомлення"
    r"|邮件原文|邮件原件|郵件原文|原文|以下是(?:转发|引用)|message transféré|mensaje reenviado|mensagem encaminhada"
    r"|messaggio inoltrato|doorgestuurd bericht|vidarebefordrat|videresendt|przesłana dalej|edelleenlähetetty"
    r"|転送メッセージ|元のメール|전달된 메시지|thư gốc|tin nhắn gốc)"
    r".{0,80}$",
    re.I,
)
FORWARDED = re.compile(
    r"forward|weitergeleitet|转发|轉寄|transféré|reenviad|inoltrato|doorgestuurd|пересл", re.I
)
#: A line above which the answer was asked for, as ticket systems put it.
REPLY_ABOVE = re.compile(
    r"^[>\s]*+[#\-=*_]{2,}+.{0,40}(?:reply|respond|type|write|antwort|répon|respond|回复|回覆).{0,30}"
    r"(?:above|oberhalb|au-dessus|encima|之上|以上|上方).{0,40}$",
    re.I,
)
#: A bare rule under which Outlook repeats the fields.
RULE = re.compile(r"^\s*(?:_{20,}|-{20,}|={20,})\s*$")
QUOTE_MARK = re.compile(r"^\s{0,3}[>＞](?!\S*<\S)")
#: The delimiter of a signature (RFC 3676 §4.3), also without its blank and with underscores.
SIGNATURE = re.compile(r"^(?:--|__|—|——|–|\|\s{0,3}\|)\s*$")
DASHED_NAME = re.compile(r"^-\s{0,2}[A-Z]\w+(?: [A-Z]\w+){0,2}\s*$")
SENT_FROM = re.compile(
    r"^[\s>]*+(?:sent (?:with|using|via) [\w ]{1,40}\.?|sent from (?:my|the|a|outlook|mail for|yahoo|samsung|proton"
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
