import { readdirSync } from 'node:fs';

/** The number of the call `sched_setattr`, for which older C libraries have no function. */
const SCHED_SETATTR: Readonly<Record<string, bigint>> = { x64: 314n, arm64: 274n };
/** The first version of `struct sched_attr`: its size and where the fields are that we set. */
const ATTRIBUTES = { bytes: 48, policyAt: 4, niceAt: 16, sliceAt: 24 } as const;
const SCHED_OTHER = 0;
const SCHED_IDLE = 5;
const LOWEST_PRIORITY = 19;
/** In nanoseconds, the shortest that Linux takes. */
const SHORTEST_SLICE = 100_000n;

/**
 * Lets all threads of a process, and those that they begin later, run only when the machine has nothing else
 * to do, in the shortest slices that there are.
 *
 * A thread that was woken is kept waiting until the slice of the running one is over, if both are in
 * different groups: the kernel compares groups then, and no group is idle although all its threads are. It
 * looks once in a tick of 4 ms. Behind the shortest slice it waits hardly ever (decision 37).
 *
 * A kernel before 6.12 has no slices of single threads, and ignores them. Nothing else says so to Node:
 * `chrt` is not in our image, and sets slices in its newest versions only.
 * @throws Error when it is not allowed, or Node cannot call the system here
 */
export function idleAllThreads(pid: number | 'self' = 'self'): void {
  const idle = { policy: SCHED_IDLE, nice: LOWEST_PRIORITY, sliceNs: SHORTEST_SLICE };
  // Only threads that are not idle yet take a slice, and they keep it.
  setAllThreads(pid, [{ ...idle, policy: SCHED_OTHER }, idle]);
}

/** Takes back what {@link idleAllThreads} did to a process that had no priority of its own before. */
export function unidleAllThreads(pid: number | 'self' = 'self'): void {
  setAllThreads(pid, [{ policy: SCHED_OTHER, nice: 0, sliceNs: 0n }]);
}

interface Scheduling {
  readonly policy: number;
  readonly nice: number;
  /** 0 stands for the usual ones. */
  readonly sliceNs: bigint;
}

function setAllThreads(pid: number | 'self', inTurn: readonly Scheduling[]): void {
  const number = SCHED_SETATTR[process.arch];
  if (number === undefined) throw new Error(`the number of sched_setattr is not known for ${process.arch}`);
  // It is experimental, and some builds of Node do not have it.
  const ffi = process.getBuiltinModule('node:ffi');
  using library = ffi.dlopen(null, {
    syscall: { arguments: ['i64', 'i64', 'buffer', 'i64'], return: 'i64' },
  });
  for (const thread of readdirSync(`/proc/${pid}/task`))
    for (const scheduling of inTurn) {
      const failed = library.functions.syscall(number, BigInt(thread), attributesOf(scheduling), 0n);
      if (failed !== 0n) throw new Error(`thread ${thread} cannot be scheduled otherwise`);
    }
}

function attributesOf({ policy, nice, sliceNs }: Scheduling): Buffer {
  const { bytes, policyAt, niceAt, sliceAt } = ATTRIBUTES;
  const attributes = Buffer.alloc(bytes);
  attributes.writeUInt32LE(bytes, 0);
  attributes.writeUInt32LE(policy, policyAt);
  attributes.writeInt32LE(nice, niceAt);
  attributes.writeBigUInt64LE(sliceNs, sliceAt);
  return attributes;
}
