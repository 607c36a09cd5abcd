import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY } from './cluster/run-dir.ts';
import { swarmFile } from './containers/swarm.ts';

/** Writes deploy/swarm.yml from docker-compose.yml. */
writeFileSync(join(REPOSITORY, 'deploy', 'swarm.yml'), swarmFile());
