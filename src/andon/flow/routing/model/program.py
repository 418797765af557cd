"""What happens to each request and answer inside Envoy, in Lua."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from andon.flow.routing.contract import COPIED_BYTES, DIGESTED_BYTES, PARTS

PASSED = "andon-passed"
"""A request's header: through which environments it has come, a line for each time."""
MOST_PASSES = 3
"""How often a request may come through the same environment: a gateway may well be called by what it calls."""
DARK = "andon-dark"
"""A request's header: it is a copy, its answer is thrown away, and nothing lasting is to be done with it."""
SIDE = "andon-side"
"""The visitors' cookie: a number from 0 to 99,999."""
SIDE_SECONDS = 30 * 24 * 3600
NUMBER = "andon-number"
"""Between the program and Envoy's choice of a set; no service is sent it."""
MIRRORED = "andon-mirrored"
"""Between the program and Envoy's choice of a route; no service is sent it."""
BELONGS = "andon-belongs"
"""Between the program and Envoy's choice of a route: to which segments whoever sends this belongs; no service is sent
it."""
MEMBERS = "members"
"""By what the routes' virtual host tells the program how members of segments are known. Beside it is a key for each
member of each of them, such as ``1=alice``."""
WORDS = "andon"
"""The name under which the program tells the access log something of a request."""


class Entrance(StrEnum):
    """By which way a request comes."""

    PORT = "port"
    SOCKET = "socket"
    """The environment's, from this machine."""
    DARK = "dark"
    """The router's own, for copies."""


_PROGRAM = """\
local bit = require("bit")
local band, bxor, lshift, rshift, rol, tobit = bit.band, bit.bxor, bit.lshift, bit.rshift, bit.rol, bit.tobit

math.randomseed((tonumber(tostring({}):match("0x(%x+)") or "0", 16) + os.time()) % 2147483647)

local function ours(text)
  local name = text:match("^[%s=]*([^=%s]*)"):gsub("^__Host%-", "")
  return name:find("^andon%-session%-%d+$") or name:find("^andon%-visitor%-%d+$") or name == "SIDE"
end

local function values(headers, name)
  local found = {}
  for place = 0, headers:getNumValues(name) - 1 do
    found[#found + 1] = headers:getAtIndex(name, place)
  end
  return found
end

local function times(one, other)
  return tobit(band(one, 0xffff) * other + lshift(tobit(rshift(one, 16) * other), 16))
end

local function digested(text, first, second, most)
  for place = 1, most do
    local byte = text:byte(place)
    first = times(bxor(first, byte), 16777619)
    second = times(bxor(rol(second, 7), byte), 1540483477)
  end
  return first, second
end

local function drawn(text)
  local mixed = digested(text, -2128831035, 0, math.min(#text, 4096))
  mixed = times(bxor(mixed, rshift(mixed, 16)), 2246822507)
  mixed = times(bxor(mixed, rshift(mixed, 13)), 3266489909)
  return bxor(mixed, rshift(mixed, 16)) % PARTS
end

local function cookies(headers, wanted)
  local given = headers:get("cookie")
  if given == nil or not (wanted or given:find("andon-", 1, true)) then
    return nil, nil
  end
  local kept, side, found, dropped = {}, nil, nil, false
  for part in table.concat(values(headers, "cookie"), ";"):gmatch("[^;]+") do
    if ours(part) then
      dropped = true
      side = side or tonumber(part:match("^%s*SIDE_PATTERN=(%d%d?%d?%d?%d?)%s*$"))
    else
      local bare = part:match("^%s*(.*)")
      kept[#kept + 1] = bare
      if wanted and not found and bare:sub(1, #wanted + 1) == wanted .. "=" then
        found = bare:sub(#wanted + 2)
      end
    end
  end
  if dropped then
    headers:remove("cookie")
    if #kept > 0 then
      headers:add("cookie", table.concat(kept, "; "))
    end
  end
  return side, found
end

local function said(headers, by, name)
  if by == "header" then
    return headers:get(name)
  end
  for _, line in ipairs(values(headers, "cookie")) do
    for part in line:gmatch("[^;]+") do
      local bare = part:match("^%s*(.*)")
      if bare:sub(1, #name + 1) == name .. "=" then
        return bare:sub(#name + 2)
      end
    end
  end
end

local function belong(handle, headers)
  if headers:get("BELONGS") ~= nil then
    headers:remove("BELONGS")
  end
  local people = handle:virtualHost():metadata()
  local asked = people:get("MEMBERS")
  if asked == nil then
    return
  end
  local found = ","
  for place, one in ipairs(asked) do
    local text = said(headers, one.by, one.name)
    if text ~= nil and people:get(place .. "=" .. text) then
      found = found .. place .. ","
    end
  end
  if found ~= "," then
    headers:add("BELONGS", found)
  end
end

local function stick(handle, headers, sticky)
  local side, text = cookies(headers, sticky and sticky.by == "cookie" and sticky.name or nil)
  if sticky == nil then
    return
  end
  if sticky.by == "visitor" then
    if side == nil then
      side = math.random(0, PARTS - 1)
      handle:streamInfo():dynamicMetadata():set("WORDS", "side", side)
    end
    headers:add("NUMBER", string.format("%d", (side * sticky.factor + sticky.offset) % PARTS))
    return
  end
  if sticky.by == "header" then
    text = headers:get(sticky.name)
  end
  if text ~= nil and text ~= "" then
    headers:add("NUMBER", string.format("%d", drawn(sticky.salt .. ":" .. text)))
  end
end

local function light(headers, method)
  local length = headers:get("content-length")
  if length == nil then
    return method == "GET" or method == "HEAD"
  end
  return (tonumber(length) or COPIED_BYTES + 1) <= COPIED_BYTES
end

local function mirror(handle, headers, mirrored)
  local method = headers:get(":method")
  if math.random(0, PARTS - 1) < mirrored.parts
    and (" " .. mirrored.methods .. " "):find(" " .. method .. " ", 1, true) and light(headers, method)
    and headers:get("upgrade") == nil and headers:get("DARK") == nil then
    headers:add("MIRRORED", "1")
    handle:streamInfo():dynamicMetadata():set("WORDS", "mirrored", true)
  end
end

local function past(text, from)
  local place = from
  if text:byte(place) ~= 34 then
    local _, stop = text:find("^[%w+.-]+", place)
    return stop
  end
  while true do
    place = text:find('["\\\\]', place + 1)
    if place == nil or text:byte(place) == 34 then
      return place
    end
    place = place + 1
  end
end

local function without(text, name)
  local kept, from, wanted = {}, 1, '"' .. name .. '"'
  while true do
    local _, stop = text:find(wanted, from, true)
    if stop == nil then
      break
    end
    local _, colon = text:find("^%s*:%s*", stop + 1)
    local ends = colon and past(text, colon + 1)
    if ends then
      kept[#kept + 1] = text:sub(from, colon)
      from = ends + 1
    else
      kept[#kept + 1] = text:sub(from, stop)
      from = stop + 1
    end
  end
  kept[#kept + 1] = text:sub(from)
  return table.concat(kept)
end

local hex4 = "%x%x%x%x"
local shapes = {
  uuid = hex4 .. hex4 .. "%-" .. hex4 .. "%-" .. hex4 .. "%-" .. hex4 .. "%-" .. hex4 .. hex4 .. hex4,
  time = "%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d[:%d]*[.,]?%d*[Z+-]?[:%d]*",
  number = "%d+",
}

local function masked(text, ignore)
  for name in ignore.fields:gmatch("[^ ]+") do
    text = without(text, name)
  end
  for _, name in ipairs({"uuid", "time", "number"}) do
    if (" " .. ignore.values .. " "):find(" " .. name .. " ", 1, true) then
      text = text:gsub(shapes[name], "")
    end
  end
  return text
end

local function compare_masked(handle, ignore)
  local pieces, left, whole = {}, DIGESTED, true
  for chunk in handle:bodyChunks() do
    local size = math.min(chunk:length(), left)
    whole = size == chunk:length()
    if size > 0 then
      pieces[#pieces + 1] = chunk:getBytes(0, size)
      left = left - size
    end
    if not whole then
      break
    end
  end
  local text = masked(table.concat(pieces), ignore)
  if whole then
    handle:streamInfo():dynamicMetadata():set("WORDS", "masked", #text)
  end
  local first, second = digested(text, -2128831035, 0, #text)
  handle:streamInfo():dynamicMetadata():set("WORDS", "digest", bit.tohex(first) .. bit.tohex(second))
end

local function compare(handle)
  local kind = (handle:headers():get("content-type") or ""):sub(1, 100)
  handle:streamInfo():dynamicMetadata():set("WORDS", "type", kind)
  local ignore = handle:metadata():get("ignore")
  if ignore ~= nil and handle:headers():get("content-encoding") == nil then
    compare_masked(handle, ignore)
    return
  end
  local first, second, left = -2128831035, 0, DIGESTED
  for chunk in handle:bodyChunks() do
    local size = math.min(chunk:length(), left)
    if size > 0 then
      first, second = digested(chunk:getBytes(0, size), first, second, size)
      left = left - size
    end
    if left == 0 then
      break
    end
  end
  handle:streamInfo():dynamicMetadata():set("WORDS", "digest", bit.tohex(first) .. bit.tohex(second))
end

function envoy_on_request(handle)
  local headers = handle:headers()
  belong(handle, headers)
  local told = handle:metadata()
  local sticky, mirrored = told:get("sticky"), told:get("mirror")
  local passed = table.concat(values(headers, "PASSED"), ",")
  local _, before = passed:gsub("MARK", "")
  if before >= MOST then
    handle:respond({[":status"] = "508", ["content-type"] = "text/plain; charset=utf-8"},
      "This request goes round: it has come to NAME MOST times already.\\n" ..
      "Something on its way passes it on to where it came from. Nothing was done with it this time.\\n")
    return
  end
  headers:add("PASSED", "MARK")
  headers:remove("NUMBER")
  headers:remove("MIRRORED")
  if "ENTRANCE" == "dark" then
    headers:replace("DARK", "1")
    return
  end
  if "ENTRANCE" == "port" then
    headers:remove("DARK")
  end
  stick(handle, headers, sticky)
  if mirrored ~= nil and before == 0 then
    mirror(handle, headers, mirrored)
  end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local given = headers:get("set-cookie")
  if given ~= nil and given:find("andon-", 1, true) then
    local all = values(headers, "set-cookie")
    headers:remove("set-cookie")
    for _, one in ipairs(all) do
      if not ours(one) then
        headers:add("set-cookie", one)
      end
    end
  end
  local words = handle:streamInfo():dynamicMetadata():get("WORDS")
  if words ~= nil and words.side ~= nil then
    headers:add("set-cookie", string.format("SIDE=%d; Path=/; Max-Age=SECONDS; HttpOnly; SameSite=Lax", words.side))
  end
  if "ENTRANCE" == "dark" or (words ~= nil and words.mirrored) then
    compare(handle)
  end
end
"""
"""Browsers send a host's cookies to all of its ports: without this a hostile service would be handed the console's
session by whoever opens it signed in. It can set none of ours in an answer either. The port in their names may be any:
there may be a second installation on the machine, and its sessions are nobody's business either. A cookie without a
name is sent back as its value alone: `=andon-session-1=x` is one of ours, too.

Every pattern here reads its text once: one that tries again from each of many blanks would hold up Envoy, and with it
all environments, for seconds.

An instance's socket may be a link to its own environment's: each request is marked on its way in, or it would go round
until the router has no connections left. The mark is a digest: what is called need not read by whom. What comes back
is not mirrored again either, or each copy could make another one.

The division itself is not written here but in the routes, with which it changes: a step of a release changes one file.
The program only gives a request its number, and the visitor's cookie holds a number that many visitors share instead of
one that would tell them apart. Each release shuffles all numbers by a factor and an offset of its own: nobody is among
the first each time, and every share is as large as it says.

Who belongs to a segment is asked first, and of the virtual host, for by the answer Envoy chooses the route. What a
request says of that itself is thrown away. The keys of the members are looked up one by one; the list is never read.

A body goes to the copy while it goes to the version that serves, and at the speed of the slower one of them. What is
copied has to fit into Envoy's buffers, or a dark version that reads nothing would hold up customers.

What is to be ignored is cut out of what is digested, not out of what is passed on. Bodies are hostile there, too: each
field's name is looked for as it stands, and what follows it is read once.

That a request is a copy is believed of what comes by the environment's socket, from a job on this machine: a test may
try what a version does then. From the port it would let anybody call off what they just ordered.
"""


def program(name: str, told: str, entrance: Entrance) -> str:
    """The program of a listener; ``told`` is what people call its environment."""
    words = {
        "PASSED": PASSED,
        "MARK": hashlib.sha256(name.encode()).hexdigest()[:16],
        "MOST": str(MOST_PASSES),
        "NAME": told,
        "SIDE_PATTERN": SIDE.replace("-", "%-"),
        "SIDE": SIDE,
        "SECONDS": str(SIDE_SECONDS),
        "NUMBER": NUMBER,
        "MIRRORED": MIRRORED,
        "BELONGS": BELONGS,
        "MEMBERS": MEMBERS,
        "DARK": DARK,
        "WORDS": WORDS,
        "ENTRANCE": entrance.value,
        "PARTS": str(PARTS),
        "DIGESTED": str(DIGESTED_BYTES),
        "COPIED_BYTES": str(COPIED_BYTES),
    }
    return re.sub(r"\b(" + "|".join(words) + r")\b", lambda found: words[found[0]], _PROGRAM)


def shuffle(salt: str) -> tuple[int, int]:
    """Factor and offset of a permutation of 0 to :data:`PARTS` - 1: ``n * factor + offset``, modulo :data:`PARTS`.

    The factor has no divisor in common with it, so that each number comes exactly once.
    """
    digest = hashlib.sha256(salt.encode()).digest()
    factor = int.from_bytes(digest[:8], "big") % PARTS
    while factor % 2 == 0 or factor % 5 == 0:
        factor += 1
    return factor, int.from_bytes(digest[8:16], "big") % PARTS
