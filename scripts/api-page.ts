import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENDPOINTS } from '../mapper/api/endpoints.ts';
import { describeEndpoints } from '../mapper/api/page.ts';
import { REPOSITORY } from './cluster/run-dir.ts';

/** Writes the endpoints into docs/api.md, below the heading that begins their part. */
const HEADING = '## Endpoints\n';

const file = join(REPOSITORY, 'docs', 'api.md');
const [before = ''] = readFileSync(file, 'utf8').split(HEADING);
writeFileSync(file, `${before}${HEADING}\n${describeEndpoints(ENDPOINTS)}\n`);
