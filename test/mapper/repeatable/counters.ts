import { ADMIN_TOKEN } from '../../admin-token.ts';
import { send } from '../client.ts';

/** Reads a counter of a mapper. @returns its value with the labels that contain a text; 0: there is none */
export async function counterOf(admin: string, name: string): Promise<(labels: string) => number> {
  const { text } = await send('GET', `${admin}/metrics`, {
    headers: { host: '127.0.0.1', authorization: `Bearer ${ADMIN_TOKEN}` },
  });
  const lines = text.split('\n').filter((line) => line.startsWith(`keymill_${name}{`));
  return (labels) =>
    Number(
      lines
        .find((line) => line.includes(labels))
        ?.split(' ')
        .at(-1) ?? 0,
    );
}
