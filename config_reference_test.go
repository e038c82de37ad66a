package workerfx_test

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/workerfx/workerfx"
)

// The reference of the configuration is made from the code. Run this test with -update to write it again.
func TestReferenceOfTheConfigurationIsThatOfTheCode(t *testing.T) {
	const page, begin, end = "docs/configuration.md", "<!-- begin of the reference -->\n", "<!-- end of the reference -->"
	before, rest, _ := strings.Cut(readFile(t, page), begin)
	written, after, found := strings.Cut(rest, end)
	require.True(t, found, "%s has no reference", page)
	reference := newReference(t)
	want := reference.table("The pool", "", reflect.TypeFor[workerfx.Config]()) +
		reference.table("A worker, under `defaults` or `workers.<name>`", "", reflect.TypeFor[workerfx.WorkerConfig]())
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(before+begin+want+end+after), 0o600))
		return
	}
	require.Equal(t, want, written, "run: go test -run %s . -update", t.Name())
}

// reference makes tables from the documentation of fields and options.
type reference struct {
	types   map[string]*ast.StructType
	options map[string]string // their documentation
}

func newReference(t *testing.T) *reference {
	t.Helper()
	r := &reference{types: make(map[string]*ast.StructType), options: make(map[string]string)}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, decl := range file.Decls {
			r.add(decl)
		}
	}
	return r
}

func (r *reference) add(decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if name, ok := strings.CutPrefix(decl.Name.Name, "With"); ok && decl.Recv == nil {
			r.options[name] = decl.Doc.Text()
		}
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			if named, ok := spec.(*ast.TypeSpec); ok {
				if structure, ok := named.Type.(*ast.StructType); ok {
					r.types[named.Name.Name] = structure
				}
			}
		}
	}
}

// table describes the fields of a type, with those of structs within.
func (r *reference) table(title, prefix string, of reflect.Type) string {
	var rows strings.Builder
	fmt.Fprintf(&rows, "\n### %s\n\n| field | type | |\n| --- | --- | --- |\n", title)
	r.rows(&rows, prefix, of)
	return rows.String() + "\n"
}

func (r *reference) rows(out *strings.Builder, prefix string, of reflect.Type) {
	docs := r.fieldDocs(of.Name())
	for field := range of.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		within := field.Type
		for within.Kind() == reflect.Pointer {
			within = within.Elem()
		}
		fmt.Fprintf(out, "| `%s%s` | %s | %s |\n", prefix, name, typeName(within), r.meaning(field.Name, docs[field.Name], of))
		if within.Kind() == reflect.Struct && within != reflect.TypeFor[workerfx.WorkerConfig]() {
			r.rows(out, prefix+name+".", within)
		}
	}
}

// optionOf has the options whose names differ from that of their field.
var optionOf = map[string]string{"MinReplicas": "ReplicaLimits", "MaxReplicas": "ReplicaLimits"}

// meaning is the documentation of a field. Fields of WorkerConfig have that of their option, and behind it the comment that
// names the field.
func (r *reference) meaning(name, documented string, of reflect.Type) string {
	option := ""
	if of == reflect.TypeFor[workerfx.WorkerConfig]() {
		option = r.options[cmp.Or(optionOf[name], name)]
	}
	paragraph, _, _ := strings.Cut(strings.TrimSpace(cmp.Or(option, documented)), "\n\n")
	if option != "" && slices.Contains(strings.Fields(documented), name) {
		paragraph += " " + strings.TrimSpace(documented)
	}
	return regexp.MustCompile(`\[([\w.]+)\]`).ReplaceAllString(strings.ReplaceAll(paragraph, "\n", " "), "`$1`")
}

// fieldDocs are the comments of the fields of a struct. A comment is also that of the fields below it without one.
func (r *reference) fieldDocs(name string) map[string]string {
	docs := make(map[string]string)
	last := ""
	for _, field := range r.types[name].Fields.List {
		if text := field.Doc.Text(); text != "" {
			last = text
		}
		for _, ident := range field.Names {
			docs[ident.Name] = last
		}
	}
	return docs
}

func typeName(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "duration"
	case t.Kind() == reflect.Slice:
		return "list of " + typeName(t.Elem()) + "s"
	case t.Kind() == reflect.Map:
		return "map"
	case t.Kind() == reflect.Struct:
		return "object"
	case t.Kind() == reflect.Float64, t.Kind() == reflect.Int:
		return "number"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Bool:
		return "true or false"
	}
	return t.String()
}
