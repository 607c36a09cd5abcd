import { setFlagsFromString } from 'node:v8';

/*
 * The connections to clients, Redis and MySQL pass through the same functions of Node as objects of more than four shapes. Beyond four V8
 * no longer tells shapes apart there, and everything on these connections takes longer: a redirect from memory by 6 %.
 * To be imported before all else, for what V8 has once given up it does not take up again.
 */
setFlagsFromString('--max-valid-polymorphic-map-count=8');

/*
 * V8 makes the young generation small while nobody asks for anything, and twice as large each time that enough has survived in it: after a pause
 * a mapper collects garbage many times a second, for seconds, and sometimes for as long as it lives. So it grows to its full size, which is V8's own
 * choice, in one step.
 */
setFlagsFromString('--semi-space-growth-factor=16');
