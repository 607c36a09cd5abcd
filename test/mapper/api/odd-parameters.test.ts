import { ENDPOINTS } from '../../../mapper/api/endpoints.ts';
import { expectHarmless } from './fuzz/answer-rules.ts';
import { ODD_TEXTS } from './fuzz/odd-values.ts';
import { useApi } from './use-api.ts';

describe('a parameter', () => {
  const fixture = useApi();
  const { api } = fixture;
  const texts = ODD_TEXTS.map((text) => encodeURIComponent(text.toWellFormed())).filter(
    ({ length }) => length < 10_000,
  );

  for (const { method, path, query } of ENDPOINTS)
    for (const name of Object.keys(query?.shape ?? {}))
      it(`that is an odd text is no fault of ours: ${name} of ${method} ${path}`, async () => {
        const { people } = fixture;
        const cookie = await people.session(await people.person({ isAdmin: true }));
        for (const text of texts) {
          const target = `${path}?${name}=${text}`;
          expectHarmless(await api.call(method, target, { cookie }), { target, text: target });
        }
      });

  for (const { method, path, body, example } of ENDPOINTS)
    if (path.includes('{'))
      it(`in the path that is an odd text is no fault of ours: ${method} ${path}`, async () => {
        const { people } = fixture;
        const cookie = await people.session(await people.person({ isAdmin: true }));
        for (const text of texts) {
          const target = path.replaceAll(/\{\w+\}/g, text);
          const answer = await api.call(method, target, { cookie, ...(body && { body: example ?? {} }) });
          expectHarmless(answer, { target, text: target });
        }
      });
});
