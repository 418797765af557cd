-- The shelves and the order book.

CREATE TABLE parts (
  sku TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  category TEXT NOT NULL,
  drawing TEXT NOT NULL,
  fits TEXT NOT NULL,
  description TEXT NOT NULL,
  price_cents INTEGER NOT NULL CHECK (price_cents > 0),
  stock INTEGER NOT NULL CHECK (stock >= 0),
  popularity INTEGER -- set by hand, the best seller highest
);

CREATE TABLE orders (
  reference TEXT PRIMARY KEY,
  request_key TEXT NOT NULL UNIQUE,
  sku TEXT NOT NULL REFERENCES parts (sku),
  part_name TEXT NOT NULL,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  customer TEXT NOT NULL,
  unit_cents INTEGER NOT NULL,
  total_cents INTEGER NOT NULL,
  stock_before INTEGER NOT NULL,
  stock_after INTEGER NOT NULL,
  authorisation TEXT,
  placed_at TEXT NOT NULL,
  cancelled_at TEXT
);

CREATE INDEX orders_of_customer ON orders (customer);

INSERT INTO parts (sku, name, category, drawing, fits, description, price_cents, stock, popularity) VALUES
('BR-1042', 'Vented brake disc, pair', 'Brakes', 'disc', '288 × 25 mm, 5 × 112', 'High-carbon cast iron, coated hub and edge. Vented between the faces, so that it is as good on the way down the pass as on the way up.', 8990, 140, 95),
('BR-1107', 'Ceramic brake pads', 'Brakes', 'pads', 'Front axle, with wear sensor', 'Four pads with shims and springs. Little dust, no squeal, and a bite that does not depend on the weather.', 4450, 260, 90),
('BR-1210', 'Stainless brake line kit', 'Brakes', 'hose', 'Four lines, M10 × 1', 'Braided steel over a PTFE core. The pedal goes where you put it and stays there.', 7600, 64, 38),
('BR-1318', 'Brake caliper, left front', 'Brakes', 'caliper', '54 mm piston, rebuilt', 'Stripped, blasted, honed and sealed anew, then tested at 160 bar. Deposit included in the price.', 11900, 22, 41),
('EN-2004', 'Spin-on oil filter', 'Engine', 'filter', '¾-16 UNF, with bypass valve', 'Pleated glass-fibre medium and a valve that keeps oil in the gallery overnight, so that a cold start is not a dry one.', 990, 900, 98),
('EN-2051', 'Iridium spark plug, set of 4', 'Engine', 'plug', 'M14 × 1.25, reach 26.5 mm', 'A 0.6 mm iridium tip for 100,000 km. Gapped at the works; please do not help.', 3480, 410, 92),
('EN-2110', 'Timing belt kit', 'Engine', 'belt', '141 teeth, with water pump', 'Belt, tensioner, idler, pump and every bolt that must not be used twice. Change it before it changes your engine.', 15900, 37, 60),
('EN-2188', 'Forged piston with rings', 'Engine', 'piston', '81.01 mm, compression 9.5 : 1', 'Forged 2618 alloy, coated skirt, pin and clips. Weighed in sets to within one gram.', 12450, 48, 25),
('EN-2203', 'Thermostat with housing', 'Engine', 'thermostat', 'Opens at 88 °C, with gasket', 'Wax element, brass valve, aluminium housing. For engines that never quite get warm, or far too warm.', 2790, 118, 44),
('EN-2240', 'Engine oil 5W-30, 5 litres', 'Engine', 'oil', 'ACEA C3, API SP', 'Fully synthetic, low ash, kind to particle filters. The can pours without a funnel if you hold it the right way up.', 4290, 520, 97),
('EL-3010', 'Starter battery 70 Ah', 'Electrical', 'battery', '12 V, 760 A, 278 × 175 × 190 mm', 'AGM, sealed, at home in cars that stop at every light. Charged on the day it is sent.', 13900, 75, 86),
('EL-3044', 'Alternator 140 A', 'Electrical', 'alternator', 'Six-groove freewheel pulley', 'New, not rebuilt, tested under full load for an hour, with the printout in the box.', 21900, 19, 33),
('EL-3075', 'Blade fuses, 120 pieces', 'Electrical', 'fuse', '3 A to 40 A, with puller', 'Ten of every colour you will need and ten of those you will not. Clear bodies: one sees what has happened.', 1190, 330, 52),
('EL-3120', 'H7 bulbs, twin pack', 'Electrical', 'bulb', '12 V, 55 W, PX26d', 'Half as much light again on the road and none of it in anyone else''s eyes. Sold in twos, because they fail in twos.', 2190, 610, 83),
('SU-4015', 'Gas shock absorber, rear', 'Suspension', 'shock', 'Eye below, pin above', 'Twin tube, gas at 8 bar. Replace in pairs; your passengers vote for it.', 6490, 88, 57),
('SU-4032', 'Coil spring, progressive', 'Suspension', 'spring', '12.5 mm wire, 30 mm lower', 'Soft for the first inch, firm for the rest. Shot-peened, powder-coated, marked for left and right.', 5890, 72, 36),
('SU-4077', 'Wheel bearing with hub', 'Suspension', 'bearing', '5 × 112, with ABS ring', 'Two rows, sealed for life, pressed into the hub by people with a press. You need a socket.', 9350, 54, 49),
('SU-4101', 'Lower control arm, right', 'Suspension', 'arm', 'Forged, with ball joint', 'Forged aluminium with hydraulic bush and ball joint fitted. Half the weight of steel, all of the stiffness.', 14200, 31, 30),
('BO-5008', 'Wiper blades, pair', 'Body', 'wiper', '600 and 400 mm, flat', 'Natural rubber on a sprung spine. Adaptors for seven kinds of arm, of which yours is one.', 2650, 480, 89),
('BO-5023', 'Door mirror, left, heated', 'Body', 'mirror', 'Electric, primed', 'Glass, motor, heater and indicator. The cap comes primed, since nobody ever agrees about the colour.', 11500, 16, 28),
('BO-5066', 'Cabin air filter', 'Body', 'airfilter', '254 × 224 × 36 mm, charcoal', 'Keeps pollen, soot and the lorry in front outside. Ten minutes to fit, behind the glove box, where they always are.', 1790, 370, 78),
('WH-6012', 'Alloy wheel, five spokes', 'Wheels', 'wheel', '7.5 J × 17, ET 45, 5 × 112', 'Low-pressure cast, flow-formed rim, 8.9 kg. Silver, because it hides what brakes do.', 16900, 96, 63),
('WH-6040', 'All-season tyre', 'Wheels', 'tyre', '205/55 R16 91H', 'Snowflake on the side, quiet on the motorway. For people who do not own a second set, or a shed.', 8750, 240, 94),
('WH-6071', 'Wheel bolts, set of 20', 'Wheels', 'bolt', 'M14 × 1.5, 27 mm, cone', 'Grade 10.9, zinc-flake coated. 120 newton metres, crosswise, and once more after 50 km.', 2980, 205, 47);
