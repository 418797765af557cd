"""The pages, as text. Whatever people typed or the database holds passes through `escape` on its way."""

from __future__ import annotations

import base64
import hashlib
import secrets
from functools import lru_cache
from html import escape
from pathlib import Path

from store import drawings
from store.catalogue import Part
from store.config import Config
from store.orders import MOST_AT_ONCE, Order
from store.reviews import LONGEST_NAME, LONGEST_TEXT, Review

_STYLE = "".join(Path(__file__).with_name(name).read_text("utf-8") for name in ("style.css", "reviews.css"))
_ICON = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 120 120'%3E%3Cpath fill='%23fb7a3c' "
    "fill-rule='evenodd' d='M60 6l47 27v54l-47 27-47-27V33zM60 40a20 20 0 1 0 0 40a20 20 0 1 0 0-40z'/%3E%3C/svg%3E"
)
_LOGO = (
    '<svg viewBox="0 0 120 120" aria-hidden="true"><path class="hex" d="M60 12l42 24v48l-42 24-42-24V36z"/>'
    '<circle class="bore" cx="60" cy="60" r="17"/></svg>'
)
_REGIONS = {"eu": "Delivered all over Europe", "test": "On the test bench: nothing is sent"}
LOW_STOCK = 25

# No script anywhere, and only this one style: anything else that finds its way into a page does nothing.
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
SECURITY_HEADERS = (
    (
        "Content-Security-Policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; form-action 'self'; base-uri 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)


def money(cents: int) -> str:
    """Cents as people write them: 1234567 becomes €12,345.67."""
    return f"€{cents // 100:,}.{cents % 100:02}"


def front(config: Config, parts: list[Part], categories: list[str], search: str, category: str) -> str:
    """The catalogue: all of it, one shelf, or what a search found."""
    shelves = [_shelf("All parts", "/", "", current=not category and not search)]
    shelves += [_shelf(each, f"/?category={each}", each, current=each == category) for each in categories]
    if search:
        count = "1 part" if len(parts) == 1 else f"{len(parts)} parts"
        top = f'<h1 class="name">{count} for “{escape(search)}”</h1>'
    elif category:
        top = f'<h1 class="name">{escape(category)}</h1>'
    else:
        top = (
            f'<h1 class="greeting">{escape(config.greeting)}</h1>'
            f'<p class="lead">{len(parts)} parts on {len(categories)} shelves. {_region(config)}.</p>'
        )
    if parts:
        cards = "".join(_card(part) for part in parts)
        content = f'<ul class="grid">{cards}</ul>'
    else:
        content = (
            f'<div class="empty">{drawings.svg("nut")}<p><strong>Nothing like that on our shelves.</strong></p>'
            '<p class="muted">Try one word less, or a part number such as EN-2004.</p></div>'
        )
    title = f"{search or category} – Parts Unlimited" if search or category else "Parts Unlimited"
    return _page(config, title, f'{top}<ul class="shelves">{"".join(shelves)}</ul>{content}', search)


def part(
    config: Config,
    part: Part,
    reviews: list[Review],
    error: str = "",
    quantity: str = "1",
    customer: str = "",
    review_error: str = "",
    *,
    short: bool = False,
) -> str:
    """One part with its order form and reviews; after a refusal, with the reason and what had been typed.

    `short` is the new checkout.
    """
    shelf = part.category.lower()
    paying = "The payment is authorised at once." if config.payment_key else "You pay on delivery."
    buy = (
        '<p class="small">Sold out. Come back tomorrow.</p>'
        if part.stock == 0
        else (
            '<form method="post" action="/orders">'
            # The key makes sending the form twice, by a double click or a reload, buy once.
            f'<input type="hidden" name="request_key" value="{secrets.token_hex(16)}">'
            f'<input type="hidden" name="sku" value="{escape(part.sku)}">'
            f"{_fields(quantity, customer, short=short)}</form>"
            f'<p class="small">{paying} '
            "An order can be cancelled with one click.</p>"
        )
    )
    refused = f'<p class="gone" role="alert"><strong>{escape(error)}</strong></p>' if error else ""
    content = (
        f'<p class="crumbs"><a href="/">All parts</a> › <a href="/?category={escape(part.category)}">'
        f"{escape(part.category)}</a></p>"
        f'<div class="sheet {escape(shelf)}"><div class="tile">'
        f"{drawings.svg(part.drawing, escape(part.name))}</div><div>"
        f'<p class="mono muted">{escape(part.sku)}</p><h1 class="name">{escape(part.name)}</h1>'
        f'{_rating(part)}<p class="text">{escape(part.description)}</p>'
        f'<dl class="facts"><dt>Specification</dt><dd>{escape(part.fits)}</dd>'
        f"<dt>Shelf</dt><dd>{escape(part.category)}</dd>"
        f"<dt>In stock</dt><dd>{part.stock}</dd></dl>"
        f'<div class="order"><div class="top"><span class="price">{money(part.price_cents)}</span>{_stock(part)}</div>'
        f"{refused}{buy}</div></div></div>{_reviews(part, reviews, review_error)}"
    )
    return _page(config, f"{part.name} – Parts Unlimited", content)


def _fields(quantity: str, customer: str, *, short: bool) -> str:
    """What an order needs to be told. Mostly it is one part: the short form asks for the address alone."""
    how_many = (
        '<div><label for="quantity">Quantity</label>'
        f'<input id="quantity" name="quantity" type="number" min="1" max="{MOST_AT_ONCE}" '
        f'value="{escape(quantity)}" required></div>'
    )
    whose = (
        '<div><label for="customer">Your e-mail address</label>'
        '<input id="customer" name="customer" type="email" maxlength="254" autocomplete="email" '
        f'value="{escape(customer)}" required></div>'
    )
    if not short:
        return f'<div class="fields">{how_many}{whose}</div><button class="button wide">Place the order</button>'
    opened = "" if quantity == "1" else " open"
    return (
        f'<div class="fields short">{whose}<button class="button">Order now</button></div>'
        f'<details{opened}><summary>More than one?</summary><div class="fields">{how_many}</div></details>'
    )


def order(config: Config, order: Order, drawing: str, shelf: str) -> str:
    """The receipt of an order."""
    rows = "".join(f"<tr><th>{escape(label)}</th><td>{money(cents)}</td></tr>" for label, cents in order.lines())
    paid = (
        f'Authorised, <span class="mono">{escape(order.authorisation)}</span>' if order.authorisation else "On delivery"
    )
    cancelled = order.cancelled_at is not None
    top = (
        '<h1 class="name">Cancelled</h1><p class="lead">The parts are back on the shelf. You pay nothing.</p>'
        if cancelled
        else '<h1 class="name">Thank you. It is as good as in the post.</h1>'
        f'<p class="lead">{_region(config)}. Keep the reference: whoever has it can see this order and cancel it.</p>'
    )
    state = '<strong class="gone">Cancelled</strong>' if cancelled else '<strong class="done">Placed</strong>'
    button = (
        ""
        if cancelled
        else f'<form method="post" action="/orders/{escape(order.reference)}/cancel">'
        '<button class="button quiet">Cancel this order</button></form>'
    )
    content = (
        f'{top}<section class="receipt {escape(shelf)}"><header>{drawings.svg(drawing)}<div><p class="muted">Order</p>'
        f'<p class="mono reference">{escape(order.reference)}</p></div></header>'
        f'<table class="lines"><tbody>{rows}</tbody><tfoot><tr><th>Total</th>'
        f'<td>{money(order.total_cents)}</td></tr></tfoot></table><dl class="facts"><dt>State</dt><dd>{state}</dd>'
        f"<dt>Placed</dt><dd>{_time(order.placed_at)}</dd>"
        f"<dt>Customer</dt><dd>{escape(order.customer)}</dd><dt>Payment</dt><dd>{paid}</dd></dl></section>"
        f'<div class="actions"><a class="button" href="/">Back to the parts</a>{button}</div>'
    )
    return _page(config, f"Order {order.reference} – Parts Unlimited", content)


def problem(config: Config, title: str, text: str) -> str:
    """A page for what could not be done."""
    content = (
        f'<div class="empty">{drawings.svg("nut")}<h1 class="name">{escape(title)}</h1>'
        f'<p class="lead">{escape(text)}</p><p class="lead"><a class="button" href="/">Back to the parts</a></p></div>'
    )
    return _page(config, f"{title} – Parts Unlimited", content)


def _page(config: Config, title: str, content: str, search: str = "") -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="{_ICON}"><style>{_STYLE}</style></head><body>'
        f'<header class="band"><div class="wrap"><a class="brand" href="/">{_LOGO} Parts Unlimited</a>'
        '<form class="search" action="/" role="search"><input type="search" name="q" maxlength="100" '
        f'aria-label="Search the parts" placeholder="Part, number or size" value="{escape(search)}">'
        f'<button>Search</button></form></div></header><main><div class="wrap">{content}</div></main>'
        f'<footer class="end"><div class="wrap"><span>Parts Unlimited. Prices in euro.</span>'
        f'<span>Version <span class="mono">{escape(config.version)}</span> · {escape(config.region)}</span></div>'
        "</footer></body></html>"
    )


def _shelf(label: str, address: str, category: str, *, current: bool) -> str:
    mark = ' aria-current="page"' if current else ""
    dot = "<i></i>" if category else ""
    return f'<li class="{escape(category.lower())}"><a href="{escape(address)}"{mark}>{dot}{escape(label)}</a></li>'


# A part that did not change makes the same card: on a busy day this is half of the front page's time.
@lru_cache(maxsize=256)
def _card(part: Part) -> str:
    return (
        f'<li><article class="card {escape(part.category.lower())}">'
        f'<div class="tile">{drawings.svg(part.drawing)}</div><div class="words">'
        f'<p class="number"><span class="mono">{escape(part.sku)}</span>'
        f"<span>{escape(part.category)}</span></p>"
        f'<h2><a href="/parts/{escape(part.sku)}">{escape(part.name)}</a></h2><p class="fits">{escape(part.fits)}</p>'
        f"{_rating(part)}"
        f'<p class="foot"><span class="price">{money(part.price_cents)}</span>{_stock(part)}</p></div></article></li>'
    )


def _stock(part: Part) -> str:
    if part.stock == 0:
        return '<span class="stock out">Sold out</span>'
    if part.stock < LOW_STOCK:
        return f'<span class="stock low">Only {part.stock} left</span>'
    return '<span class="stock">In stock</span>'


def _stars(rating: float) -> str:
    return f'<span class="stars r{round(rating * 2)}" aria-hidden="true">★★★★★<b>★★★★★</b></span>'


def _rating(part: Part) -> str:
    if part.rating is None:
        return '<p class="rating">No reviews yet</p>'
    return f'<p class="rating">{_stars(part.rating)} {part.rating:.1f} of 5</p>'


def _reviews(part: Part, reviews: list[Review], error: str) -> str:
    said = "".join(
        f'<li><p class="who">{escape(review.name)} {_stars(review.stars)} <time class="muted" '
        f'datetime="{escape(review.written_at)}">{escape(review.written_at[:10])}</time></p>'
        f"<p>{escape(review.text)}</p></li>"
        for review in reviews
    )
    list_ = f"<ul>{said}</ul>" if said else '<p class="muted">Nobody has said anything yet. Be the first.</p>'
    refused = f'<p class="gone" role="alert"><strong>{escape(error)}</strong></p>' if error else ""
    choices = "".join(f"<option value={stars}>{'★' * stars}</option>" for stars in range(5, 0, -1))
    return (
        f'<div class="reviews"><section><h2>What customers say</h2>{list_}</section><section class="order">'
        f'<h2>Fitted one?</h2>{refused}<form method="post" action="/parts/{escape(part.sku)}/reviews">'
        f'<input type="hidden" name="request_key" value="{secrets.token_hex(16)}">'
        '<div class="fields"><div><label for="name">Your name</label>'
        f'<input id="name" name="name" maxlength="{LONGEST_NAME}" autocomplete="given-name" required></div>'
        f'<div><label for="stars">Stars</label><select id="stars" name="stars">{choices}</select></div>'
        '<div class="full"><label for="text">How is it?</label>'
        f'<textarea id="text" name="text" rows="3" maxlength="{LONGEST_TEXT}" required></textarea></div></div>'
        '<button class="button quiet wide">Add the review</button></form></section></div>'
    )


def _region(config: Config) -> str:
    return escape(_REGIONS.get(config.region, f"Delivered in {config.region}"))


def _time(moment: str) -> str:
    return f'<time datetime="{escape(moment)}">{escape(moment[:16].replace("T", " "))} UTC</time>'
