"""How columns are called: which of our fields a heading means, in Chinese and English, and in other desks' exports."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.imported import FIELDS

#: What a mapping says of a column that is to be left out; an unmapped one is kept under its own name.
LEFT_OUT = "-"
_NOT_WORDS = re.compile(r"[\s_\-.:：*＊/\\|,，。'\"“”]+|[(（\[【].*?[)）\]】]")

_USUAL: Mapping[str, str] = {
    "message": "message text content body description details comment comments feedback complaint question inquiry "
    "enquiry issue problem remarks messagetext ticketdescription feedbackcontent customerfeedback "
    "whathappened yourmessage 内容 反馈内容 投诉内容 留言内容 留言 诉求内容 诉求描述 问题描述 问题内容 "
    "意见 意见建议 意见或建议 建议 建议内容 描述 详情 详细内容 详细描述 具体内容 来电内容 来信内容 "
    "咨询内容 事项内容 主要内容 内容描述 工单内容 反映内容 消息内容 消息 评论内容 评论 正文 诉求 反馈 "
    "投诉描述 反馈意见 您的意见 客户反馈 問題描述 內容 意見",
    "subject": "subject title topic headline summary ticketsubject caption subjectline 标题 主题 题目 事由 工单标题 "
    "诉求标题 反馈主题 事项名称 事项标题 標題 主題 投诉主题 概述",
    "name": "name fullname customer customername contactname requester requestername sender sendername from "
    "author username reportername callername caller complainant yourname clientname displayname nickname "
    "姓名 名字 客户 客户姓名 客户名称 联系人 联系人姓名 用户姓名 用户名 用户 来电人 来电人姓名 诉求人 "
    "诉求人姓名 投诉人 投诉人姓名 反映人 反映人姓名 申请人 提交人 称呼 昵称 微信昵称 留言人 发件人 "
    "寄信人 顾客姓名 顾客 您的姓名 聯絡人 客戶姓名",
    "email": "email emailaddress mail emailid requesteremail customeremail contactemail senderemail youremail "
    "邮箱 电子邮箱 电子邮件 邮件 邮箱地址 电邮 邮件地址 联系邮箱 客户邮箱 電子郵件 信箱",
    "phone": "phone phonenumber telephone tel mobile mobilephone mobilenumber cell cellphone contactnumber "
    "contactphone callerid callernumber requesterphone customerphone yourphone msisdn 电话 手机 手机号 "
    "手机号码 联系电话 电话号码 联系方式电话 移动电话 客户电话 来电号码 主叫号码 来电电话 诉求人电话 "
    "投诉人电话 固定电话 座机 联系手机 联系号码 反映人电话 電話 手機 聯絡電話",
    "contact": "contact contactinfo contactinformation contactdetails contactmethod howtoreachyou 联系方式 联络方式 "
    "客户联系方式 联系信息 电话或邮箱 聯絡方式",
    "company": "company companyname organization organisation organizationname requesterorganization account "
    "accountname employer customercompany 公司 公司名称 单位 单位名称 工作单位 所属单位 企业 企业名称 "
    "机构 组织 所在单位 客户公司",
    "sent_at": "sentat date time datetime createdat created createddate createdtime creationdate createtime "
    "timestamp submittedat submitted submitdate submissiondate receivedat received receiveddate openedat "
    "opened calltime dateadded datecreated requestedat 时间 日期 提交时间 创建时间 反馈时间 投诉时间 "
    "来电时间 受理时间 登记时间 留言时间 发送时间 建单时间 诉求时间 提交日期 反馈日期 投诉日期 发布时间 "
    "评论时间 消息时间 来信日期 收到日期 时间戳 提交答卷时间 創建時間 發送時間",
    "id": "id ticketid ticketnumber ticketno number ticket caseid casenumber recordid requestid messageid uuid "
    "externalid responseid submissionid issueid ticketnr 编号 单号 工单号 工单编号 受理编号 受理单号 "
    "投诉编号 反馈编号 记录编号 流水号 业务单号 消息编号 留言编号 編號 工單號",
}
_FIELD_OF: Mapping[str, str] = {word: field for field, words in _USUAL.items() for word in words.split()}
#: Ours, written back with each bad row; never a part of the row.
ERROR, UNREADABLE = "error", "unreadable"


@dataclass(frozen=True, slots=True)
class Preset:
    """How the export of another system is read."""

    title: str
    mapping: Mapping[str, str]
    """Heading → field; compared as `plain` writes them."""
    sure: int
    """How many of the headings a file must have to be taken for one by itself."""
    dates: str = ""
    zone: str | None = None


PRESETS: Mapping[str, Preset] = {
    "zendesk": Preset(
        "Zendesk: export of a ticket view as CSV",
        {
            "Id": "id", "Ticket ID": "id", "Subject": "subject", "Description": "message", "Requester": "name",
            "Requester name": "name", "Requester email": "email", "Requester phone": "phone",
            "Requester organization": "company", "Organization": "company", "Created at": "sent_at",
            "Ticket created - Timestamp": "sent_at",
        },
        5,
    ),
    "freshdesk": Preset(
        "Freshdesk: export of tickets as CSV or xlsx",
        {
            "Ticket ID": "id", "Subject": "subject", "Description": "message", "Full name": "name",
            "Contact name": "name", "Email": "email", "Work phone": "phone", "Mobile phone": "phone",
            "Company name": "company", "Created time": "sent_at",
        },
        5,
    ),
    "zammad": Preset(
        "Zammad: list of tickets (CSV of the report, or of the API)",
        {
            "number": "id", "title": "subject", "article": "message", "body": "message", "customer": "name",
            "customer.email": "email", "customer email": "email", "customer.phone": "phone",
            "organization": "company", "created_at": "sent_at",
        },
        4,
        zone="UTC",
    ),
    "wechat": Preset(
        "微信: 留言或消息导出的表格",
        {
            "昵称": "name", "微信昵称": "name", "用户昵称": "name", "消息内容": "message", "留言内容": "message",
            "留言时间": "sent_at", "消息时间": "sent_at", "发送时间": "sent_at", "消息ID": "id", "留言ID": "id",
            "文章标题": "subject", "手机号": "phone",
        },
        3,
        zone="Asia/Shanghai",
    ),
    "hotline12345": Preset(
        "12345 热线: 工单汇总表",
        {
            "工单编号": "id", "工单号": "id", "受理编号": "id", "诉求标题": "subject", "工单标题": "subject",
            "标题": "subject", "诉求内容": "message", "主要内容": "message", "工单内容": "message", "诉求人": "name",
            "来电人": "name", "来电人姓名": "name", "反映人": "name", "联系电话": "phone", "来电号码": "phone",
            "联系方式": "contact", "来电时间": "sent_at", "受理时间": "sent_at", "诉求时间": "sent_at",
            "登记时间": "sent_at",
        },
        4,
        zone="Asia/Shanghai",
    ),
}  # fmt: skip


def plain(heading: str) -> str:
    """A heading as the lists above write it: lower case, without blanks, marks and what stands in brackets."""
    return _NOT_WORDS.sub("", unicodedata.normalize("NFKC", heading).lower())


def field_of(heading: str) -> str | None:
    """Our field that a heading usually means."""
    return _FIELD_OF.get(plain(heading))


def known(headings: Sequence[str]) -> int:
    """How many of the headings are known: by that the line of headings is found."""
    return sum(field_of(one) is not None or plain(one) in _SPOKEN for one in headings)


def preset_of(headings: Sequence[str]) -> str | None:
    """The system whose export has such headings, where it is sure."""
    given = {plain(one) for one in headings}
    scores = {name: sum(plain(h) in given for h in one.mapping) for name, one in PRESETS.items()}
    best = max(scores, key=lambda name: scores[name])
    rivals = [n for n, score in scores.items() if score == scores[best]]
    return best if scores[best] >= PRESETS[best].sure and len(rivals) == 1 else None


def guess(headings: Sequence[str], preset: str | None = None) -> dict[str, str | None]:
    """A field for each heading, or None; each field once, for the first that means it."""
    wanted = {plain(h): field for h, field in PRESETS[preset].mapping.items()} if preset else {}
    mapping: dict[str, str | None] = dict.fromkeys(headings)
    taken: set[str] = set()
    # The lines' own numbers (序号) are no identity: they are others in the next export.
    for look in (lambda heading: wanted.get(plain(heading)), field_of):
        for heading in headings:
            field = look(heading)
            if mapping[heading] is None and field and field not in taken:
                mapping[heading] = field
                taken.add(field)
    return mapping


def check(mapping: Mapping[str, str], headings: Sequence[str]) -> dict[str, str | None]:
    """A person's mapping as a field for each heading; ValueError in words for them.

    `mapping` goes from headings (as written, or as `plain` writes them) to fields; `-` leaves a column out, and
    what is named neither stays under its own name.
    """
    by_plain = {plain(one): one for one in headings}
    result: dict[str, str | None] = dict.fromkeys(headings)
    for heading, field in mapping.items():
        column = heading if heading in result else by_plain.get(plain(heading))
        if column is None:
            raise ValueError(f"there is no column {heading!r}; there are: {', '.join(headings)}")
        if field not in (*FIELDS, LEFT_OUT, ""):
            raise ValueError(
                f"{heading}: there is no field {field!r}; there are: {', '.join(FIELDS)}, or - to leave it out"
            )
        result[column] = field or None
    return result


#: Further headings of tables of customers' words, by which a line of headings is known.
_SPOKEN = frozenset(
    plain(one)
    for one in (
        "status", "priority", "type", "group", "agent", "assignee", "tags", "updated at", "closed at",
        "channel", "source", "category", "address", "gender", "age", "rating", "score", "state", "owner",
        "状态", "处理状态", "优先级", "类型", "类别", "分类", "承办单位", "办理结果", "地址", "性别", "年龄",
        "来源", "渠道", "备注", "满意度", "评分", "部门", "处理人", "办结时间", "区域", "问题分类", "诉求类型",
        "诉求地址", "回复内容",
    )
)  # fmt: skip
