/*
 * Node reads files and resolves host names on four threads. A call to a disk takes one of them for as long as
 * it lasts, so `DiskCalls` leaves four to all others, and with more threads the disk has more to do at a time.
 * Import this file before others: the number counts when the first of them starts. Somebody may have set another one.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '16';
