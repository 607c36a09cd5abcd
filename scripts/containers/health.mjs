// The healthcheck of our image: exit code 0 when the process is alive, by its admin port. It runs every few
// seconds, so it is plain JavaScript and imports nothing of ours.
import { get } from 'node:http';

const port = process.env['KEYMILL_ADMIN_PORT'] ?? '9101';
const request = get({ host: '127.0.0.1', port, path: '/livez', timeout: 3_000, agent: false }, (response) => {
  process.exit(response.statusCode === 200 ? 0 : 1);
});
request.once('timeout', () => process.exit(1));
request.once('error', () => process.exit(1));
