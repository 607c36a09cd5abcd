import { expect } from 'chai';
import type { PROBLEMS } from '../../../mapper/http/problem.ts';
import { problemKind } from '../api/api-client.ts';
import { useApi } from '../api/use-api.ts';
import { expectProblem, send } from '../client.ts';
import { expectAllMade, kindOf, sendDocument, sendLines, type ItemAnswer } from './bulk-fixture.ts';

const TARGET = 'https://example.com/many';

function items(count: number): object[] {
  return Array.from({ length: count }, (_, index) => ({ long_url: `${TARGET}/${index}` }));
}

describe('POST /urls/bulk', () => {
  const fixture = useApi({ keys: 4_000 });
  const { api } = fixture;

  async function anna(): Promise<{ cookie: string }> {
    return { cookie: await fixture.people.session(await fixture.people.person()) };
  }

  for (const [name, send_] of [
    ['NDJSON', sendLines],
    [
      'JSON',
      async (client: typeof api, who: { cookie: string }, all: object[]) =>
        sendDocument(client, who, { items: all }),
    ],
  ] as const) {
    it(`makes the links of ${name} in their order, with the keys of the pools and with aliases`, async () => {
      const who = await anna();
      const sent: object[] = items(600);
      const alias = `ours-${name.toLowerCase()}`;
      sent[300] = { long_url: TARGET, custom_alias: alias, title: 'Ours', tags: ['b', 'a'] };
      const { items: made } = await send_(api, who, sent);
      const keys = expectAllMade(made, 600);
      expect(keys[300]).to.equal(alias);
      expect(made[300]?.link)
        .to.include({ title: 'Ours', version: 1 })
        .and.deep.include({ tags: ['a', 'b'] });
      const read = await api.call('GET', `/urls/${alias}`, who);
      expect(made[300]?.link).to.deep.equal(read.json());
      for (const index of [0, 299, 300, 599]) {
        const answer = await send('GET', `${fixture.mapper.url}/${keys[index]}`);
        const target = index === 300 ? TARGET : `${TARGET}/${index}`;
        expect([answer.status, answer.headers.location]).to.deep.equal([302, target]);
      }
      const list = await api.call('GET', '/urls?limit=200', who);
      expect(list.json()['items']).to.have.lengthOf(200);
    });

    it(`answers an item of ${name} that is at fault, and makes all others`, async () => {
      const who = await anna();
      const { items: answers } = await send_(api, who, [
        { long_url: TARGET },
        { long_url: 'no url' },
        { long_url: TARGET, surprise: 1, title: 5 },
        {},
        { long_url: TARGET, custom_alias: 'urls' },
        { long_url: TARGET },
      ]);
      expect(answers.map(({ status }) => status)).to.deep.equal([201, 422, 422, 422, 422, 201]);
      expect(answers.map(fieldsOf)).to.deep.equal([
        undefined,
        ['long_url'],
        ['title', 'surprise'],
        ['long_url'],
        ['custom_alias'],
        undefined,
      ]);
    });
  }

  function fieldsOf({ problem }: ItemAnswer): string[] | undefined {
    return problem?.errors?.map(({ field }) => field);
  }

  it('answers lines that are no items, each alone', async () => {
    const who = await anna();
    const lines: [line: string | Buffer, status: number, kind?: string][] = [
      ['{"long_url":"https://example.com/"}\r', 201],
      ['{"long_url":', 400, 'malformed-json'],
      ['[]', 422, 'invalid-request'],
      ['null', 422, 'invalid-request'],
      ['"text"', 422, 'invalid-request'],
      [Buffer.from([0x7b, 0xff, 0x7d]), 400, 'malformed-json'],
      [`{"long_url":"https://example.com/","title":"${'x'.repeat(70_000)}"}`, 413, 'too-large'],
      ['x'.repeat(300_000), 413, 'too-large'],
      ['{"long_url":"https://example.com/","long_url":"https://example.com/"}', 422, 'invalid-request'],
      ['  {"long_url":"https://example.com/ü"} \t', 201],
    ];
    const { items: answers } = await sendLines(api, who, ['', '   ', ...lines.map(([line]) => line), '']);
    expect(answers.map(({ status }) => status)).to.deep.equal(lines.map(([, status]) => status));
    expect(answers.map(kindOf)).to.deep.equal(lines.map(([, , kind]) => kind));
    expect(answers.map(({ index }) => index)).to.deep.equal(lines.map((_, index) => index));
  });

  it('answers 409 for an alias that is taken, also by an earlier item', async () => {
    const who = await anna();
    const item = { long_url: TARGET, custom_alias: 'only-once' };
    const { items: answers } = await sendLines(api, who, [item, { long_url: TARGET }, item]);
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 201, 409]);
    const { items: again } = await sendLines(api, who, [item]);
    expect(again.map(kindOf)).to.deep.equal(['alias-taken']);
  });

  it('makes one link for each alias when two bulks want the same ones at the same time', async () => {
    const [one, other] = [await anna(), await anna()];
    const wanted = Array.from({ length: 300 }, (_, index) => ({
      long_url: TARGET,
      custom_alias: `race-${index}`,
    }));
    const [mine, yours] = await Promise.all([
      sendLines(api, one, wanted),
      sendLines(api, other, wanted.toReversed()),
    ]);
    const theirs = yours.items.toReversed();
    mine.items.forEach((item, index) =>
      expect([item.status, theirs[index]?.status], `race-${index}`).to.have.members([201, 409]),
    );
    for (const [items_, who] of [
      [mine.items, one],
      [yours.items, other],
    ] as const)
      for (const { link } of items_.filter(({ status }) => status === 201).slice(0, 5))
        expect((await api.call('GET', `/urls/${String(link?.['unique_id'])}`, who)).status).to.equal(200);
  });

  it('says of the item behind the 10,000th that there are too many, and reads no more', async () => {
    const who = await anna();
    const bad = Array.from({ length: 10_002 }, () => '{}');
    const { items: answers } = await sendLines(api, who, bad);
    expect(answers).to.have.lengthOf(10_001);
    expect(answers.slice(0, -1).every(({ problem }) => problem?.errors?.[0]?.field === 'long_url')).to.equal(
      true,
    );
    expect(answers.at(-1)?.problem?.errors?.[0]?.reason).to.include('more than 10000 items');
    const all = Array.from({ length: 10_001 }, () => ({}));
    const { answer } = await sendDocument(api, who, { items: all });
    expect(expectProblem(answer, 422)).to.deep.equal([
      { field: 'items', reason: 'must not have more than 10000 items' },
    ]);
  });

  it('refuses a document that is no list of items, and makes nothing', async () => {
    const who = await anna();
    const cases: [body: string, status: number, field?: string][] = [
      ['{', 400],
      ['{"items":[{}', 400],
      ['[]', 422, ''],
      ['{}', 422, 'items'],
      ['{"items":{}}', 422, 'items'],
      ['{"items":[],"more":1}', 422, 'more'],
      ['{"items":[],"items":[]}', 422, 'items'],
      ['{"items":{"a":1,"b":[2]},"items":[{}]}', 422, 'items'],
      [`{"items":["${'x'.repeat(4_200_000)}"]}`, 413],
    ];
    for (const [body, status, field] of cases) {
      const { answer } = await sendDocument(api, who, body);
      const errors = expectProblem(answer, status);
      if (field !== undefined) expect(errors.map((error) => error.field)).to.deep.equal([field]);
    }
    const empty = await sendDocument(api, who, { items: [] });
    expect(empty.items).to.deep.equal([]);
    const noLines = await sendLines(api, who, []);
    expect([noLines.answer.status, noLines.answer.text]).to.deep.equal([200, '']);
    expect((await api.call('GET', '/urls', who)).json()['items']).to.deep.equal([]);
  });

  it('cuts a document into items as JSON does', async () => {
    const who = await anna();
    const body = `\n{ "items" : [ {"long_url":"https://example.com/a,]}"} , [1,[2]] ,5, {"long_url":"https://example.com/\\"b\\\\"}, "x,]" ] } `;
    const { items: answers } = await sendDocument(api, who, body);
    expect(answers.map(({ status }) => status)).to.deep.equal([201, 422, 422, 201, 422]);
    expect(answers[0]?.link).to.include({ long_url: 'https://example.com/a,]%7D' });
  });

  it('says which methods make sense on its path', async () => {
    for (const [method, path, allow] of [
      ['PUT', '/urls/export', 'GET, HEAD'],
      ['PUT', '/urls/bulk', 'POST, PATCH'],
      ['PUT', '/urls/bulk/delete', 'POST'],
    ] as const) {
      const answer = await send(method, fixture.mapper.url + path);
      expect([answer.status, answer.headers.allow], `${method} ${path}`).to.deep.equal([405, allow]);
    }
  });

  it('refuses other types and codings of a body', async () => {
    const who = await anna();
    const types: [headers: Record<string, string>, kind: keyof typeof PROBLEMS][] = [
      [{ 'content-type': 'text/csv' }, 'wrong-type'],
      [{ 'content-type': 'application/x-ndjson; charset=latin1' }, 'not-utf8'],
      [{ 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' }, 'compressed'],
    ];
    for (const [headers, kind] of types) {
      const answer = await api.call('POST', '/urls/bulk', { ...who, body: '{}', headers });
      expect([answer.status, problemKind(answer)]).to.deep.equal([415, kind]);
    }
  });
});
