"""Labels, cards, buttons and layouts in the house's spacing; every control gets its name here."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QLabel,
    QLayout,
    QLayoutItem,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from gui.icons import icon
from gui.theme import GRID, colours, set_role, theme


def label(text: str = "", role: str = "", *, wrap: bool = False, select: bool = False) -> QLabel:
    """A label of a role; ``select`` lets its text be copied. Text is never read as HTML."""
    made = QLabel(text)
    made.setIndent(0)
    made.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        set_role(made, role)
    if wrap:
        made.setWordWrap(True)
        made.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        made.setMinimumWidth(1)
    if select:
        made.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        made.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
    return made


def button(
    text: str, on_click: Callable[[], object], *, role: str = "", tip: str = ""
) -> QPushButton:
    """A button with its accessible name; ``tip`` says what it does or its shortcut."""
    made = QPushButton(text)
    made.setAccessibleName(text.replace("&", ""))
    made.setAutoDefault(False)
    made.setCursor(Qt.CursorShape.PointingHandCursor)
    made.clicked.connect(lambda _checked=False: on_click())
    if role:
        set_role(made, role)
    if tip:
        made.setToolTip(tip)
    return made


def empty_page(heading: str, text: str, action: QPushButton) -> QWidget:
    """What a stage shows while it has nothing: what would be here, and how to get there."""
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.addStretch(2)
    for widget in (label(heading, "heading"), label(text, "muted"), action):
        layout.addWidget(widget, 0, Qt.AlignmentFlag.AlignHCenter)
        layout.addSpacing(GRID)
    layout.addStretch(3)
    return page


def stage_page() -> tuple[QWidget, QVBoxLayout]:
    """The page of a stage and its column, in the margins that all of them have."""
    page = QWidget()
    layout = QVBoxLayout(page)
    layout.setContentsMargins(2 * GRID, 2 * GRID, 2 * GRID, 2 * GRID)
    layout.setSpacing(GRID + 4)
    return page, layout


class Card(QFrame):
    """A surface with a small title and a body layout."""

    def __init__(self, title: str = "", *, gap: int = GRID, padding: int = 2 * GRID) -> None:
        super().__init__()
        set_role(self, "card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(gap)
        self.title = label(title, "eyebrow")
        if title:
            self.body.addWidget(self.title)
            self.setAccessibleName(title)


class Fold(QWidget):
    """Something that is rarely needed, behind a button that shows and hides it."""

    def __init__(self, show: str, hide: str, inside: QWidget) -> None:
        super().__init__()
        self._texts = (show, hide)
        self.inside = inside
        self.button = QToolButton()
        set_role(self.button, "fold")
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.toggled.connect(self._show)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GRID // 2)
        column.addWidget(inside)
        column.addWidget(self.button, 0, Qt.AlignmentFlag.AlignLeft)
        theme().changed.connect(self._restyle)
        self._show(False)

    def _show(self, on: bool) -> None:
        self.inside.setVisible(on)
        self.button.setText(self._texts[on])
        self.button.setAccessibleName(self._texts[on])
        self._restyle()

    def _restyle(self) -> None:
        name = "x" if self.button.isChecked() else "sliders-horizontal"
        self.button.setIcon(icon(name, colours().muted))


class Page(QWidget):
    """The inside of a scroll area: as high as its wrapped contents at the width it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("page")

    def minimumSizeHint(self) -> QSize:
        """Qt: the height follows from the width alone."""
        return QSize(0, 0)


class InlineCombo(QComboBox):
    """A choice inside a sentence: as wide as the word that is chosen."""

    def __init__(self) -> None:
        super().__init__()
        set_role(self, "inline")
        self.currentIndexChanged.connect(self.updateGeometry)

    def sizeHint(self) -> QSize:
        """Qt: room for the chosen word and the arrow."""
        hint = super().sizeHint()
        hint.setWidth(self.fontMetrics().horizontalAdvance(self.currentText()) + 6 * GRID)
        return hint

    def minimumSizeHint(self) -> QSize:
        """Qt: no less than that."""
        return self.sizeHint()

    def showPopup(self) -> None:
        """Qt: the list is as wide as its longest choice."""
        metrics = self.fontMetrics()
        widest = max(
            (metrics.horizontalAdvance(self.itemText(i)) for i in range(self.count())), default=0
        )
        self.view().setMinimumWidth(widest + 6 * GRID)
        super().showPopup()


class Facts(QWidget):
    """Pairs of name and value in two columns; a value may be long and wraps."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(2 * GRID)
        self._grid.setVerticalSpacing(GRID // 2)
        self._grid.setColumnStretch(1, 1)
        self._shown: tuple[tuple[str, str], ...] = ()
        self._values: list[QLabel] = []

    def show_pairs(self, pairs: tuple[tuple[str, str], ...]) -> None:
        """Show these pairs; widgets are made anew only where the names changed."""
        if pairs == self._shown:
            return
        if [p[0] for p in pairs] == [p[0] for p in self._shown]:
            for value, (_, text) in zip(self._values, pairs, strict=True):
                value.setText(text)
        else:
            clear(self._grid)
            self._values = []
            for row, (name, text) in enumerate(pairs):
                head = label(name, "muted")
                head.setAlignment(Qt.AlignmentFlag.AlignTop)
                value = label(text, wrap=True, select=True)
                value.setAccessibleName(name)
                self._grid.addWidget(head, row, 0)
                self._grid.addWidget(value, row, 1)
                self._values.append(value)
        self._shown = pairs

    def text(self) -> str:
        """All pairs as lines."""
        return "\n".join(f"{name}\t{value}" for name, value in self._shown)


def clear(layout: QLayout) -> None:
    """Take everything out of a layout and let it go."""
    while (item := layout.takeAt(0)) is not None:
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()


class FlowLayout(QLayout):
    """Words and controls that wrap like text, each line centred on its tallest item."""

    def __init__(self, parent: QWidget, gap: int = GRID // 2 + 1, line_gap: int = GRID) -> None:
        super().__init__(parent)
        self._items: list[QLayoutItem] = []
        self._gap, self._line_gap = gap, line_gap
        self.setContentsMargins(0, 0, 0, 0)

    def addItem(self, item: QLayoutItem) -> None:
        """Qt: take an item."""
        self._items.append(item)

    def count(self) -> int:
        """Qt: number of items."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Qt: an item, None beyond the end."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Qt: remove an item."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def expandingDirections(self) -> Qt.Orientation:
        """Qt: neither."""
        return Qt.Orientation(0)

    def hasHeightForWidth(self) -> bool:
        """Qt: the height follows from the width."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Qt: height of the wrapped lines."""
        return self._arrange(QRect(0, 0, width, 0), place=False)

    def setGeometry(self, rect: QRect) -> None:
        """Qt: place the items."""
        super().setGeometry(rect)
        self._arrange(rect, place=True)

    def sizeHint(self) -> QSize:
        """Qt: the smallest size is a fair hint."""
        return self.minimumSize()

    def minimumSize(self) -> QSize:
        """Qt: the widest item."""
        size = QSize()
        for item in self._items:
            size = size.expandedTo(item.minimumSize())
        return size

    def _arrange(self, rect: QRect, *, place: bool) -> int:
        lines: list[list[tuple[QLayoutItem, QSize]]] = [[]]
        x = 0
        for item in self._items:
            if item.isEmpty():
                continue
            size = item.sizeHint()
            if lines[-1] and x + size.width() > rect.width():
                lines.append([])
                x = 0
            lines[-1].append((item, size))
            x += size.width() + self._gap
        y = rect.y()
        for line in lines:
            height = max((size.height() for _, size in line), default=0)
            x = rect.x()
            for item, size in line:
                if place:
                    top = y + (height - size.height()) // 2
                    item.setGeometry(QRect(QPoint(x, top), size))
                x += size.width() + self._gap
            y += height + self._line_gap
        return y - self._line_gap - rect.y()


class Wrapping(QWidget):
    """Parts side by side that wrap like words where it is narrow."""

    def __init__(self, *parts: QWidget, gap: int = GRID, line_gap: int = GRID) -> None:
        super().__init__()
        self.flow = FlowLayout(self, gap=gap, line_gap=line_gap)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        for part in parts:
            self.flow.addWidget(part)
