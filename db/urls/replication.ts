/** The state of the replication that a replica reports. */
export type Replication =
  | { readonly state: 'running'; readonly lagMs: number }
  /** It cannot reach its primary and continues to try. */
  | { readonly state: 'cut-off' }
  /** By an operator or by an error. It does not restart by itself. */
  | { readonly state: 'stopped' };

/** The columns have other names in MariaDB than in MySQL. */
type Status = Readonly<Record<string, unknown>>;

/**
 * Reads the rows of `SHOW REPLICA STATUS`, one for each source. The worst state counts. Undefined when there
 * is no row: the replica gets its data in another way (shared storage, a cluster), and does not report its
 * state.
 */
export function toReplication(rows: readonly Status[]): Replication | undefined {
  let worst: Replication | undefined;
  for (const row of rows) {
    const found = ofSource(row);
    if (worst === undefined || badness(found) > badness(worst)) worst = found;
  }
  return worst;
}

function ofSource(row: Status): Replication {
  const receiving = row['Replica_IO_Running'] ?? row['Slave_IO_Running'];
  const applying = row['Replica_SQL_Running'] ?? row['Slave_SQL_Running'];
  const behindS = row['Seconds_Behind_Source'] ?? row['Seconds_Behind_Master'];
  if (receiving === 'No' || applying === 'No') return { state: 'stopped' };
  if (receiving !== 'Yes' || behindS === null || behindS === undefined) return { state: 'cut-off' };
  return { state: 'running', lagMs: Number(behindS) * 1_000 };
}

function badness(replication: Replication): number {
  if (replication.state === 'running') return replication.lagMs;
  return replication.state === 'cut-off' ? Number.MAX_SAFE_INTEGER : Number.POSITIVE_INFINITY;
}
