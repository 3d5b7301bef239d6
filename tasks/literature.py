"""Publications: what a citation is, how it is written in BibTeX, and those of the tasks. Standard library only."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Literal

Kind = Literal["article", "inproceedings", "book", "phdthesis", "techreport", "misc"]

WHERE: dict[Kind, str] = {
    "article": "journal",
    "inproceedings": "booktitle",
    "book": "publisher",
    "phdthesis": "school",
    "techreport": "institution",
    "misc": "howpublished",
}
"""What BibTeX calls the place of publication."""

ACCENTS = {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0307": ".", "\u0308": '"'}
ACCENTS |= {"\u0306": "u", "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c", "\u0328": "k"}
"""Combining mark -> LaTeX's command."""

SIGNS = {
    **{sign: f"\\{sign}" for sign in "&%$#_"},
    # BibTeX counts an escaped brace as a brace
    **{"{": r"\textbraceleft{}", "}": r"\textbraceright{}", "\\": r"\textbackslash{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"ß": r"{\ss}", "ø": r"{\o}", "Ø": r"{\O}", "ł": r"{\l}", "Ł": r"{\L}", "æ": r"{\ae}", "Æ": r"{\AE}"},
    **{"ı": r"{\i}", "–": "--", "—": "---", "’": "'", "‘": "`", "“": "``", "”": "''", "²": "$^2$"},
}


@dataclass(frozen=True)
class Publication:
    """A work that can be cited."""

    kind: Kind
    authors: tuple[str, ...]  # "Hochreiter, Sepp"
    title: str  # a sentence: capitals only where the word has them by itself
    year: int
    where: str = ""  # journal, proceedings, publisher or school
    volume: str = ""
    number: str = ""
    pages: str = ""  # 12-34
    doi: str = ""
    arxiv: str = ""
    url: str = ""
    note: str = ""

    @property
    def short(self) -> str:
        """`Hochreiter & Schmidhuber 1997`; from three authors on `Zhou et al. 2021`."""
        names = [author.split(",")[0] for author in self.authors]
        return f"{' & '.join(names) if len(names) < 3 else f'{names[0]} et al.'} {self.year}"

    @property
    def link(self) -> str:
        """The DOI's address, else arXiv's, else the work's own; "" where it has none."""
        if self.doi:
            return f"https://doi.org/{self.doi}"
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else self.url

    def bibtex(self, key: str) -> str:
        """The BibTeX entry, in ASCII. Raises ValueError where a sign has no LaTeX here."""
        fields = {
            "author": " and ".join(map(latex, self.authors)),
            "title": " ".join(_kept(word, first=n == 0) for n, word in enumerate(self.title.split())),
            "year": str(self.year),
            WHERE[self.kind]: latex(self.where),
            "volume": self.volume,
            "number": self.number,
            "pages": self.pages.replace("-", "--"),
            "doi": self.doi,
            "eprint": self.arxiv,
            "archiveprefix": "arXiv" if self.arxiv else "",
            "url": self.url,
            "note": latex(self.note),
        }
        lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
        return "\n".join([f"@{self.kind}{{{key},", *lines, "}"])


def latex(text: str) -> str:
    """Plain text in ASCII as LaTeX sets it. Raises ValueError where a sign has no LaTeX here."""
    found: list[str] = []
    for sign in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", sign)
        written, marks = SIGNS.get(parts[0], parts[0]), parts[1:]
        if not written.isascii() or any(mark not in ACCENTS for mark in marks):
            raise ValueError(f"no LaTeX for {sign!r} in {text!r}")
        for mark in marks:
            # an accent in letters takes its argument in braces, one in signs stands before it
            accent = ACCENTS[mark]
            written = f"{{\\{accent}{{{written}}}}}" if accent.isalpha() else f"{{\\{accent}{written}}}"
        found.append(written)
    return "".join(found)


def _kept(word: str, first: bool) -> str:
    """A word of a title, in braces where a style that writes titles small would take a capital from it."""
    small = word[:1] + word[1:].lower() if first else word.lower()
    return latex(word) if word == small else f"{{{latex(word)}}}"


# fmt: off
PUBLICATIONS: dict[str, Publication] = {
    "jackson2018": Publication(
        "misc", ("Jackson, Zohar", "Souza, César", "Flaks, Jason", "Pan, Yuxin", "Nicolas, Hereman", "Thite, Adhish"),
        "Free Spoken Digit Dataset", 2018, "Zenodo", doi="10.5281/zenodo.1342401", note="Version 1.0.8"),
    "klatt1980": Publication(
        "article", ("Klatt, Dennis H.",), "Software for a cascade/parallel formant synthesizer", 1980,
        "Journal of the Acoustical Society of America", "67", "3", "971-995", doi="10.1121/1.383940"),
    "graves2006": Publication(
        "inproceedings", ("Graves, Alex", "Fernández, Santiago", "Gomez, Faustino", "Schmidhuber, Jürgen"),
        "Connectionist temporal classification: Labelling unsegmented sequence data with recurrent neural networks",
        2006, "Proceedings of the 23rd International Conference on Machine Learning", pages="369-376",
        doi="10.1145/1143844.1143891"),
    "warden2018": Publication(
        "misc", ("Warden, Pete",), "Speech Commands: A dataset for limited-vocabulary speech recognition", 2018,
        arxiv="1804.03209"),
    "coimbradeandrade2018": Publication(
        "misc", ("Coimbra de Andrade, Douglas", "Leo, Sabato", "Loesener Da Silva Viana, Martin",
                 "Bernkopf, Christoph"),
        "A neural attention model for speech command recognition", 2018, arxiv="1808.08929"),
    "povey2011": Publication(
        "inproceedings", ("Povey, Daniel", "Ghoshal, Arnab", "Boulianne, Gilles", "Burget, Lukas", "Glembek, Ondrej",
                          "Goel, Nagendra", "Hannemann, Mirko", "Motlicek, Petr", "Qian, Yanmin", "Schwarz, Petr",
                          "Silovsky, Jan", "Stemmer, Georg", "Vesely, Karel"),
        "The Kaldi speech recognition toolkit", 2011,
        "IEEE Workshop on Automatic Speech Recognition and Understanding"),
    "acero1993": Publication(
        "book", ("Acero, Alejandro",), "Acoustical and environmental robustness in automatic speech recognition", 1993,
        "Kluwer Academic Publishers"),
    "panayotov2015": Publication(
        "inproceedings", ("Panayotov, Vassil", "Chen, Guoguo", "Povey, Daniel", "Khudanpur, Sanjeev"),
        "Librispeech: An ASR corpus based on public domain audio books", 2015,
        "IEEE International Conference on Acoustics, Speech and Signal Processing", pages="5206-5210",
        doi="10.1109/ICASSP.2015.7178964"),
    "linzen2016": Publication(
        "article", ("Linzen, Tal", "Dupoux, Emmanuel", "Goldberg, Yoav"),
        "Assessing the ability of LSTMs to learn syntax-sensitive dependencies", 2016,
        "Transactions of the Association for Computational Linguistics", "4", pages="521-535",
        doi="10.1162/tacl_a_00115", arxiv="1611.01368"),
    "tolstoy1869": Publication(
        "book", ("Tolstoy, Leo",), "War and Peace", 1869, "Project Gutenberg",
        url="https://www.gutenberg.org/ebooks/2600", note="Translated by Louise and Aylmer Maude"),
    "karpathy2015": Publication(
        "misc", ("Karpathy, Andrej", "Johnson, Justin", "Fei-Fei, Li"),
        "Visualizing and understanding recurrent networks", 2015, arxiv="1506.02078"),
    "merity2016": Publication(
        "misc", ("Merity, Stephen", "Xiong, Caiming", "Bradbury, James", "Socher, Richard"),
        "Pointer sentinel mixture models", 2016, arxiv="1609.07843"),
    "marcus1993": Publication(
        "article", ("Marcus, Mitchell P.", "Santorini, Beatrice", "Marcinkiewicz, Mary Ann"),
        "Building a large annotated corpus of English: The Penn Treebank", 1993, "Computational Linguistics", "19", "2",
        "313-330", url="https://aclanthology.org/J93-2004"),
    "mikolov2010": Publication(
        "inproceedings", ("Mikolov, Tomáš", "Karafiát, Martin", "Burget, Lukáš", "Černocký, Jan", "Khudanpur, Sanjeev"),
        "Recurrent neural network based language model", 2010, "Interspeech", pages="1045-1048",
        doi="10.21437/Interspeech.2010-343"),
    "mikolov2012a": Publication(
        "misc", ("Mikolov, Tomáš", "Sutskever, Ilya", "Deoras, Anoop", "Le, Hai-Son", "Kombrink, Stefan",
                 "Černocký, Jan"),
        "Subword language modeling with neural networks", 2012, "Preprint",
        url="https://www.fit.vut.cz/~imikolov/rnnlm/char.pdf"),
    "mahoney2009": Publication(
        "misc", ("Mahoney, Matt",), "Large text compression benchmark", 2009,
        url="https://mattmahoney.net/dc/text.html"),
    "karpathy2015a": Publication(
        "misc", ("Karpathy, Andrej",), "char-rnn", 2015, "GitHub", url="https://github.com/karpathy/char-rnn"),
    "mackey1977": Publication(
        "article", ("Mackey, Michael C.", "Glass, Leon"), "Oscillation and chaos in physiological control systems",
        1977, "Science", "197", "4300", "287-289", doi="10.1126/science.267326"),
    "zhou2021": Publication(
        "inproceedings", ("Zhou, Haoyi", "Zhang, Shanghang", "Peng, Jieqi", "Zhang, Shuai", "Li, Jianxin", "Xiong, Hui",
                          "Zhang, Wancai"),
        "Informer: Beyond efficient Transformer for long sequence time-series forecasting", 2021,
        "Proceedings of the AAAI Conference on Artificial Intelligence", "35", "12", "11106-11115",
        doi="10.1609/aaai.v35i12.17325", arxiv="2012.07436"),
    "lai2018": Publication(
        "inproceedings", ("Lai, Guokun", "Chang, Wei-Cheng", "Yang, Yiming", "Liu, Hanxiao"),
        "Modeling long- and short-term temporal patterns with deep neural networks", 2018,
        "Proceedings of the 41st International ACM SIGIR Conference on Research and Development in Information "
        "Retrieval", pages="95-104", doi="10.1145/3209978.3210006", arxiv="1703.07015"),
    "wu2021": Publication(
        "inproceedings", ("Wu, Haixu", "Xu, Jiehui", "Wang, Jianmin", "Long, Mingsheng"),
        "Autoformer: Decomposition Transformers with auto-correlation for long-term series forecasting", 2021,
        "Advances in Neural Information Processing Systems", "34", pages="22419-22430", arxiv="2106.13008"),
    "makridakis2018": Publication(
        "article", ("Makridakis, Spyros", "Spiliotis, Evangelos", "Assimakopoulos, Vassilios"),
        "The M4 Competition: Results, findings, conclusion and way forward", 2018,
        "International Journal of Forecasting", "34", "4", "802-808", doi="10.1016/j.ijforecast.2018.06.001"),
    "zeng2023": Publication(
        "inproceedings", ("Zeng, Ailing", "Chen, Muxi", "Zhang, Lei", "Xu, Qiang"),
        "Are Transformers effective for time series forecasting?", 2023,
        "Proceedings of the AAAI Conference on Artificial Intelligence", "37", "9", "11121-11128",
        doi="10.1609/aaai.v37i9.26317", arxiv="2205.13504"),
    "hochreiter1997": Publication(
        "article", ("Hochreiter, Sepp", "Schmidhuber, Jürgen"), "Long short-term memory", 1997, "Neural Computation",
        "9", "8", "1735-1780", doi="10.1162/neco.1997.9.8.1735"),
    "le2015": Publication(
        "misc", ("Le, Quoc V.", "Jaitly, Navdeep", "Hinton, Geoffrey E."),
        "A simple way to initialize recurrent networks of rectified linear units", 2015, arxiv="1504.00941"),
    "arjovsky2016": Publication(
        "inproceedings", ("Arjovsky, Martin", "Shah, Amar", "Bengio, Yoshua"),
        "Unitary evolution recurrent neural networks", 2016,
        "Proceedings of the 33rd International Conference on Machine Learning", "48", pages="1120-1128",
        arxiv="1511.06464"),
    "zhang2017": Publication(
        "inproceedings", ("Zhang, Chiyuan", "Bengio, Samy", "Hardt, Moritz", "Recht, Benjamin", "Vinyals, Oriol"),
        "Understanding deep learning requires rethinking generalization", 2017,
        "International Conference on Learning Representations", arxiv="1611.03530"),
}
# fmt: on
