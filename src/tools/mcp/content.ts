// What an MCP tool returned, as text and JSON: what a model can read of it.
import type { CallToolResult } from '@modelcontextprotocol/client';

type Block = CallToolResult['content'][number];

/** The structured result where there is one, else what can be said of its blocks; `""` for nothing. */
export const outputOf = ({ content = [], structuredContent }: CallToolResult): unknown =>
  structuredContent !== undefined ? structuredContent : content.map(textOf).join('\n');

/** The blocks as one text: what a failed tool has to say. */
export const wordsOf = ({ content = [] }: CallToolResult): string => content.map(textOf).join('\n');

function textOf(block: Block): string {
  switch (block.type) {
    case 'text':
      return block.text;
    case 'image':
    case 'audio':
      return `[${block.type}, ${block.mimeType}, ${bytes(block.data)}]`;
    case 'resource_link':
      return `[resource ${block.name}: ${block.uri}${block.description ? `, ${block.description}` : ''}]`;
    case 'resource': {
      const { resource } = block;
      if ('text' in resource) return `[resource ${resource.uri}]\n${resource.text}`;
      return `[resource ${resource.uri}, ${resource.mimeType ?? 'binary'}, ${bytes(resource.blob)}]`;
    }
    default:
      return `[${(block as { type: string }).type}]`;
  }
}

const bytes = (base64: string): string => `${Buffer.byteLength(base64, 'base64')} bytes`;
