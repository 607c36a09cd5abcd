/** Networks of IPv4 and their records, such as `192.0.2.0/24`. */
export type Networks = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

type Node = [Node | number | undefined, Node | number | undefined];

/**
 * A file of the form MaxMind DB for IPv4, with a search tree of records of 24 bits
 * (https://maxmind.github.io/MaxMind-DB/).
 */
export function makeMmdb(networks: Networks): Buffer {
  const data: Buffer[] = [];
  let dataBytes = 0;
  const root: Node = [undefined, undefined];
  for (const [network, record] of Object.entries(networks)) {
    insert(root, bitsOf(network), dataBytes);
    const bytes = encode(record);
    data.push(bytes);
    dataBytes += bytes.length;
  }
  const nodes = listNodes(root);
  const tree = Buffer.alloc(nodes.length * 6);
  for (const [index, node] of nodes.entries())
    for (const [side, child] of node.entries())
      tree.writeUIntBE(pointerOf(child, nodes), index * 6 + side * 3, 3);
  const metadata = {
    node_count: nodes.length,
    record_size: 24,
    ip_version: 4,
    database_type: 'Test',
    languages: [],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1,
    description: {},
  };
  const marker = Buffer.from('\u00AB\u00CD\u00EFMaxMind.com', 'latin1');
  return Buffer.concat([tree, Buffer.alloc(16), ...data, marker, encode(metadata)]);
}

function bitsOf(network: string): number[] {
  const [address = '', length] = network.split('/');
  const bits = address
    .split('.')
    .flatMap((byte) => Array.from({ length: 8 }, (_, bit) => (Number(byte) >> (7 - bit)) & 1));
  return bits.slice(0, Number(length));
}

function insert(root: Node, bits: readonly number[], offset: number): void {
  let node = root;
  for (const bit of bits.slice(0, -1)) {
    const child = node[bit];
    node = Array.isArray(child) ? child : (node[bit] = [undefined, undefined]);
  }
  node[bits.at(-1) ?? 0] = offset;
}

function listNodes(root: Node): Node[] {
  const nodes = [root];
  // The list grows while it is read.
  for (const node of nodes) for (const child of node) if (Array.isArray(child)) nodes.push(child);
  return nodes;
}

/** Behind the nodes: nothing, 16 bytes, the records. */
function pointerOf(child: Node | number | undefined, nodes: readonly Node[]): number {
  if (child === undefined) return nodes.length;
  return Array.isArray(child) ? nodes.indexOf(child) : nodes.length + 16 + child;
}

const TEXT = 2;
const UINT32 = 6;
const MAP = 7;
const LIST = 11;

function encode(value: unknown): Buffer {
  if (typeof value === 'string') return Buffer.concat([control(TEXT, value.length), Buffer.from(value)]);
  if (typeof value === 'number') {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return Buffer.concat([control(UINT32, 4), bytes]);
  }
  if (Array.isArray(value)) return Buffer.concat([control(LIST, value.length), ...value.map(encode)]);
  const entries = Object.entries(value as Readonly<Record<string, unknown>>);
  return Buffer.concat([control(MAP, entries.length), ...entries.flat().map(encode)]);
}

/** Sizes below 29 only. Types beyond 7 have a byte of their own. */
function control(type: number, size: number): Buffer {
  return type > 7 ? Buffer.from([size, type - 7]) : Buffer.from([(type << 5) | size]);
}
