import { setFlagsFromString } from 'node:v8';

/*
 * The connections to clients, Redis and MySQL pass through the same functions of Node as objects of more than
 * four shapes. Beyond four shapes V8 stops distinguishing them there, and everything on these connections
 * takes longer: a redirect from memory by 6 %. Import this file first: a function stays slow once V8 has
 * stopped distinguishing shapes in it.
 */
setFlagsFromString('--max-valid-polymorphic-map-count=8');

/*
 * V8 shrinks the young generation while there are no requests, and doubles it each time that enough objects
 * have survived in it. So after a pause a mapper collects garbage many times a second, for seconds, and
 * sometimes for as long as it lives. With this flag the young generation grows to its full size, which V8
 * chooses, in one step.
 */
setFlagsFromString('--semi-space-growth-factor=16');

/*
 * V8 lets the old generation grow to some four times of what is alive before it collects it. What requests
 * leave there is little, so a mapper would keep a minute's garbage: 100 MiB beside bulks. With this flag
 * marking begins when 15 % of that room is used. It runs beside the requests, and a mapper of 55 MiB alive
 * marks every half minute while it makes links at full speed.
 */
setFlagsFromString('--incremental-marking-soft-trigger=15');
