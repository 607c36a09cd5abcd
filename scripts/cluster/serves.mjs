// Exit code 0 when a mapper of the cluster with this state.json is ready. scripts/service runs this with any
// Node, before it would stop a cluster that it cannot repair.
import { readFileSync } from 'node:fs';

const TIMEOUT_MS = 5_000;

const { ports, processes } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8'));
const mappers = Object.keys(processes).filter((id) => processes[id].kind === 'mapper');
const answers = mappers.map(async (id) => {
  const url = `http://127.0.0.1:${ports[`${id}/admin`]}/readyz`;
  const { ok } = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!ok) throw new Error(`${id} is not ready`);
});
const isServing = await Promise.any(answers).then(
  () => true,
  () => false,
);
process.exit(isServing ? 0 : 1);
