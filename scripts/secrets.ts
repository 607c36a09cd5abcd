import { join } from 'node:path';
import { REPOSITORY, RunDir } from './cluster/run-dir.ts';
import { ensureSettings } from './containers/secrets.ts';

/**
 * Makes the secrets that docker-compose.yml, docker-compose.small.yml and deploy/swarm.yml read, if they are
 * missing, for somebody who starts the containers without `./scripts/up`.
 */
const runDir = new RunDir();
runDir.make();
ensureSettings(join(REPOSITORY, '.env'), runDir, {});
process.stdout.write(`${runDir.secrets}\n`);
