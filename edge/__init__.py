"""The device: it recognizes the things that its camera sees, and shows what they are.

A frame's way through the packages:

1. `cameras` reads the newest frame (`cameras.reader`).
2. `appliance.loop` gives it to `vision.recognizer`, which finds the thing (`vision.fixed_scene`),
   searches the catalogue, and decides (`vision.verdict`).
3. A changed decision becomes a `sighting`, which goes into `latest`.
4. `web` shows it, and `appliance.event_recorder` records it for the reports.

`simulator` draws frames for the demonstration and for measurements.
"""
