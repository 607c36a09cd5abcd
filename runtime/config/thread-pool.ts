import { setThreads } from './env.ts';

/*
 * Node reads files and resolves host names on four threads. Each call to a disk takes one of them, so
 * `DiskCalls` leaves four to all others; with more threads the disk has more to do at a time. Import this
 * file before others: the number counts when the first thread starts.
 */
setThreads(16);
