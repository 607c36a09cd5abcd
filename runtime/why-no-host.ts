const MAX_LABEL_CHARACTERS = 63;
const MAX_HOST_CHARACTERS = 253;

/**
 * Why no server can have the host and port of a URL. Undefined when one can: the URL parser accepts more than
 * what can exist.
 */
export function whyNoHost({ hostname, port }: Pick<URL, 'hostname' | 'port'>): string | undefined {
  if (port === '0') return 'has port 0, which no server can have';
  if (hostname.startsWith('[')) return undefined;
  const name = hostname.endsWith('.') ? hostname.slice(0, -1) : hostname;
  if (name === 'http' || name === 'https') return `has "${name}" as its host: is the scheme written twice?`;
  if (name.length > MAX_HOST_CHARACTERS) return `has a host of more than ${MAX_HOST_CHARACTERS} characters`;
  for (let start = 0, end; start <= name.length; start = end + 1) {
    const dot = name.indexOf('.', start);
    end = dot === -1 ? name.length : dot;
    if (end === start) return 'has a host with an empty part between its dots';
    if (end - start > MAX_LABEL_CHARACTERS)
      return `has a host with a part of more than ${MAX_LABEL_CHARACTERS} characters`;
  }
  return undefined;
}
