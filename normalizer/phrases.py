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
_PHONES = (
    r"(?:iphon\w*|ipad\w*|android|outlook|smartphone|galaxy|samsung|huawei|honor|xiaomi|redmi|oppo|vivo|oneplus"
    r"|nokia|blackberry|proton|yahoo|gmail|yandex|яндекс|foxmail)"
)
_CHINESE_PHONES = (
    r"(?:iphone|ipad|android|outlook|windows|galaxy|huawei|honor|xiaomi|redmi|oppo|vivo|mail|手机|手機|邮箱|郵箱|邮件|郵件"
    r"|客户端|企业微信|钉钉|安卓|华为|荣耀|小米|三星|盖乐世)"
)
SENT_FROM = re.compile(
    r"^[\s>]*+(?:sent from (?:my|the|a|outlook|mail|gmail|yahoo|samsung|proton|android|typeapp|bluemail|spark)\b"
    r"(?:<[^<>]{0,80}>)?(?: ?[\w®™-]+){0,6}|sent (?:with|using|via) (?:the |my )?"
    + _PHONES
    + r".{0,50}|get (?:outlook|yahoo|bluemail) for .{0,40}|outlook (?:für|for|pour) (?:ios|android).{0,30}"
    r"|(?:télécharger|obtene[rz]|obter|obtenha|ottieni|scarica|download|hent|hämta|pobierz|získejte|hanki)"
    r" .{0,20}outlook.{0,30}|(?:获取|獲取|取得|下载|下載).{0,10}outlook.{0,30}|.{0,10}outlook.{0,20}(?:を入手|다운로드)"
    r"|von (?:meinem |outlook).{0,30}gesendet|gesendet (?:von meinem|mit der) .{0,40}"
    r"|(?:gesendet (?:von|mit)|envoyé (?:de|depuis|à partir)|enviado (?:desde|do|da|a partir)"
    r"|inviato (?:da|con)|verzonden (?:vanaf|met|via)|verstuurd (?:vanaf|via)|skickat från|sendt (?:fra|via)"
    r"|wysłan[eo] (?:z|przez)|odesláno z|lähetetty|отправлено (?:с|из)|надіслано з).{0,30}?"
    + _PHONES
    + r".{0,30}|.{0,20}"
    + _PHONES
    + r".{0,12}(?:から送信|에서 보냄|gönderildi)"
    r"|(?:发自|發自|来自|來自|发送自|發送自).{0,20}?"
    + _CHINESE_PHONES
    + r"(?:应用|版|客户端|邮箱|手机|大师|[a-z0-9 +-]{1,16}){0,3}"
    r"|(?:从|從|由|签名由).{0,24}(?:发送|發送|傳送|定制|寄出))(?:\s*<[^<>]{0,100}>|\s*https?://\S{0,100})?[\s.。>]{0,20}$",
    re.I,
)
#: Words that close a letter; what follows them in a few short lines is a signature.
CLOSING = re.compile(
    r"^\s*(?:(?:with )?(?:best|kind|kindest|warm|warmest|many)?\s*regards|best wishes|all the best"
    r"|yours (?:sincerely|faithfully|truly)|sincerely(?: yours)?|cheers"
    r"|mit (?:freundlichen|besten|lieben) grüßen|mit freundlichem gru(?:ß|ss)"
    r"|(?:viele|beste|liebe|freundliche) grü(?:ß|ss)e"
    r"|mfg|vg|lg|med vennlig hilsen|med venlig hilsen|venlig hilsen|vennlig hilsen|mvh|dbh|kh|hilsen"
    r"|med vänliga? hälsning(?:ar)?|vänliga? hälsning(?:ar)?|hälsningar|ystävällisin terveisin|terveisin"
    r"|met vriendelijke groet(?:en)?|hartelijke groet(?:en)?|groeten|mvg"
    r"|(?:bien )?cordialement|(?:bien )?à vous|sincères salutations|salutations(?: distinguées)?"
    r"|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|cordiali saluti|distinti saluti|saluti"
    r"|atenciosamente|(?:com os )?melhores cumprimentos|cumprimentos|abraços"
    r"|z poważaniem|pozdrawiam|s pozdravem|с уважением|з повагою|saygılarımla|üdvözlettel|cu stimă|με εκτίμηση"
    r"|此致|敬礼|顺颂商祺|順頌商祺|顺祝商祺|祝好|祝商祺|祝(?:您)?(?:工作|生活)(?:顺利|愉快)|敬上|谨上|謹上"
    r"|(?:以上、?)?(?:どうぞ)?(?:よろしく|宜しく)お願い(?:いた|致)します。?|敬具|감사합니다|드림)\s*[,，.!！。]?\s*$",
    re.I,
)
