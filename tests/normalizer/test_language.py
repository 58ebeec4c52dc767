"""The language is told from script, letters and common words, or not at all."""

from __future__ import annotations

import time

import pytest

from normalizer.language import detect


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("zh-CN", "您好，我上个月买的iPhone 15 Pro Max保护壳坏了，请问怎么办？"),
        ("zh-CN", "你好"),
        ("zh-CN", "广告内容有问题 https://www.example.com/a/b/c?utm_source=a-very-long-address-in-latin"),
        ("zh-TW", "您好，我上個月購買的產品壞了，請問應該怎麼辦？"),
        ("zh-TW", "請盡快處理，謝謝"),
        ("ja", "こんにちは、先週購入した製品が壊れました。"),
        ("ja", "製品の返品をお願いします"),
        ("ko", "안녕하세요 제품이 고장났어요"),
        ("ru", "Здравствуйте, мой заказ не пришёл"),
        ("uk", "Добрий день, моє замовлення не прийшло"),
        ("ar", "مرحبا، لم يصل طلبي بعد"),
        ("th", "สวัสดีครับ สินค้าเสีย"),
        ("el", "Καλημέρα σας"),
        ("en", "Hello, my order has not arrived and I am angry about it."),
        ("en", "Thank you!"),
        ("en", "The WeChat (微信) account of your company does not answer me"),
        ("de", "Guten Tag, ich habe ein Problem mit der Lieferung."),
        ("fr", "Bonjour, je n'ai pas reçu ma commande, merci de répondre."),
        ("es", "Hola, no he recibido mi pedido y quiero una solución."),
        ("pt", "Olá, não recebi o meu pedido, obrigado."),
        ("it", "Buongiorno, non ho ricevuto il mio ordine, grazie."),
        ("nl", "Ik heb mijn bestelling niet ontvangen, graag antwoord"),
        ("pl", "Dzień dobry, nie otrzymałem jeszcze zamówienia"),
        ("tr", "Merhaba, siparişim gelmedi, lütfen yardım edin, çok teşekkürler"),
        ("vi", "Xin chào, tôi chưa nhận được đơn hàng của mình"),
    ],
)
def test_a_language_is_known(tag: str, text: str) -> None:
    assert detect(text) == tag


@pytest.mark.parametrize("text", ["", "12345", "!!!", "asdf qwer", "FB-261122-7K3FQ", "😀", "https://a.cn/x"])
def test_what_cannot_be_told_is_not_guessed(text: str) -> None:
    assert detect(text) is None


@pytest.mark.parametrize("unit", ["a", "产", "@", "<", "a.b@", "http://", "\u0301", "и "])
def test_a_hostile_text_costs_no_more_than_a_note(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    begun = time.process_time()
    detect(text)
    assert time.process_time() - begun < 2
