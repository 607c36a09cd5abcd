/**
 * CPU time of this thread in ms since it began. For bounds of what code computes: unlike a clock it does not
 * go on while other processes have the CPU.
 */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
