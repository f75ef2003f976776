"""What the twin says of itself, in the language of the question: that it has not written about something."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from twin.cleaning.language import language_of_question

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["SAYINGS", "Sayings", "in_language_of"]

MOST_TITLES = 3


class Sayings(NamedTuple):
    """The fixed sentences in one language."""

    nothing: str
    """The whole answer when nothing is found; no model is asked."""
    near: str
    """When what is found holds no answer."""
    lacking: str
    """Idem, where something that the question names is nowhere in it."""
    unfinished: str
    """Said of an answer that was cut."""

    def nearest(self, titles: Sequence[str], unseen: Sequence[str]) -> str:
        """The whole answer when only something near is found.

        Args:
            titles: Of the passages that are shown, best first.
            unseen: What the question names and no passage does.
        """
        about = "; ".join(f"“{title}”" for title in list(dict.fromkeys(titles))[:MOST_TITLES])
        said = self.lacking if unseen else self.near
        return said.format(about=about, unseen=", ".join(f"“{name}”" for name in unseen))


SAYINGS: dict[str, Sayings] = {
    "en": Sayings(
        "I have not written about that, so I would rather not make something up.",
        "I have written about {about}, though I find no answer to this in it. These passages are the nearest.",
        "I have written about {about}, though not about {unseen}. These passages are the nearest.",
        "This answer is not finished.",
    ),
    "de": Sayings(
        "Darüber habe ich nicht geschrieben, und ich möchte nichts erfinden.",
        "Ich habe über {about} geschrieben, finde darin aber keine Antwort darauf. Diese Stellen sind am nächsten.",
        "Ich habe über {about} geschrieben, aber nicht über {unseen}. Diese Stellen kommen dem am nächsten.",
        "Diese Antwort ist nicht zu Ende.",
    ),
    "es": Sayings(
        "No he escrito sobre eso, y prefiero no inventar nada.",
        "He escrito sobre {about}, pero no encuentro ahí una respuesta. Estos pasajes son los más cercanos.",
        "He escrito sobre {about}, pero no sobre {unseen}. Estos pasajes son los más cercanos.",
        "Esta respuesta no está terminada.",
    ),
    "fr": Sayings(
        "Je n'ai pas écrit à ce sujet, et je préfère ne rien inventer.",
        "J'ai écrit sur {about}, mais je n'y trouve pas de réponse. Ces passages s'en approchent le plus.",
        "J'ai écrit sur {about}, mais pas sur {unseen}. Ces passages s'en approchent le plus.",
        "Cette réponse n'est pas terminée.",
    ),
    "pt": Sayings(
        "Não escrevi sobre isso, e prefiro não inventar nada.",
        "Escrevi sobre {about}, mas não encontro aí uma resposta. Estas passagens são as mais próximas.",
        "Escrevi sobre {about}, mas não sobre {unseen}. Estas passagens são as mais próximas.",
        "Esta resposta não está terminada.",
    ),
    "it": Sayings(
        "Non ho scritto su questo, e preferisco non inventare nulla.",
        "Ho scritto su {about}, ma non vi trovo una risposta. Questi passaggi sono i più vicini.",
        "Ho scritto su {about}, ma non su {unseen}. Questi passaggi sono i più vicini.",
        "Questa risposta non è finita.",
    ),
    "nl": Sayings(
        "Daarover heb ik niet geschreven, en ik verzin liever niets.",
        "Ik heb over {about} geschreven, maar vind daarin geen antwoord. Deze passages komen het dichtst in de buurt.",
        "Ik heb over {about} geschreven, maar niet over {unseen}. Deze passages komen het dichtst in de buurt.",
        "Dit antwoord is niet af.",
    ),
    "ru": Sayings(
        "Я об этом не писал и не хочу ничего выдумывать.",
        "Я писал об этом: {about}, но ответа там не нахожу. Эти отрывки ближе всего.",
        "Я писал об этом: {about}, но не о {unseen}. Эти отрывки ближе всего.",
        "Этот ответ не закончен.",
    ),
    "zh": Sayings(
        "我没有写过这方面的内容，所以不想编造。",
        "我写过{about}，但其中没有找到这个问题的答案。以下段落最为接近。",
        "我写过{about}，但没有写过{unseen}。以下段落最为接近。",
        "这个回答没有写完。",
    ),
    "ja": Sayings(
        "それについては書いたことがないので、作り話はしたくありません。",
        "{about}については書きましたが、その中に答えは見つかりません。最も近い箇所は次のとおりです。",
        "{about}については書きましたが、{unseen}については書いていません。最も近い箇所は次のとおりです。",
        "この回答は途中で終わっています。",
    ),
    "ar": Sayings(
        "لم أكتب عن هذا، وأفضّل ألا أختلق شيئًا.",
        "كتبتُ عن {about}، لكنني لا أجد فيه جوابًا. هذه أقرب المقاطع.",
        "كتبتُ عن {about}، لكن ليس عن {unseen}. هذه أقرب المقاطع.",
        "هذه الإجابة غير مكتملة.",
    ),
    "hi": Sayings(
        "मैंने इस बारे में नहीं लिखा है, इसलिए कुछ गढ़ना नहीं चाहता।",
        "मैंने {about} के बारे में लिखा है, पर उसमें इसका उत्तर नहीं मिलता। ये अंश सबसे निकट हैं।",
        "मैंने {about} के बारे में लिखा है, पर {unseen} के बारे में नहीं। ये अंश सबसे निकट हैं।",
        "यह उत्तर अधूरा है।",
    ),
}
_KNOWN = frozenset(SAYINGS)


def in_language_of(question: str) -> Sayings:
    """The sentences in the language of a question; in English where it is another one, or cannot be told."""
    return SAYINGS[language_of_question(question, _KNOWN) or "en"]
