/**
 * Whether Node was told to rather save memory than time, as in a small cluster. Then a mapper loads what few
 * requests need (`OnDemand`) when the first of them comes, which waits for it. All other mappers load it at
 * the start, so that no request waits, and no file is read that an update has replaced meanwhile.
 */
export const SAVES_MEMORY = process.execArgv.includes('--optimize-for-size');
