//! Types on the contract's reference page.

use std::fmt::Write;

use wit_parser::{Docs, Interface, Type, TypeDefKind, TypeId};

use super::{Page, name, prose};

impl Page {
    /// A type that the interface defines itself, as a table of its members.
    pub(super) fn type_definition(&self, out: &mut String, interface: &Interface, id: TypeId) -> std::fmt::Result {
        let Some(definition) = self.resolve.types.get(id) else {
            return Ok(());
        };
        let members = self.members(id);
        let type_name = definition.name.as_deref().unwrap_or_default();
        if members.is_empty() {
            // A type that was only brought in from another interface is described there.
            return Ok(());
        }
        let kind = definition.kind.as_str();
        writeln!(out, "#### {kind} `{type_name}` (of `{}`)\n", name(interface))?;
        prose(out, &definition.docs)?;
        let typed = members.iter().any(|member| !member.type_name.is_empty());
        if typed {
            writeln!(out, "| Name | Type | Meaning |\n|---|---|---|")?;
        } else {
            writeln!(out, "| Name | Meaning |\n|---|---|")?;
        }
        for member in members {
            let meaning = member.docs.contents.as_deref().unwrap_or_default();
            let meaning = meaning.trim().replace('\n', " ").replace('|', "\\|");
            if typed {
                let type_name = if member.type_name.is_empty() {
                    String::new()
                } else {
                    format!("`{}`", member.type_name)
                };
                writeln!(out, "| `{}` | {type_name} | {meaning} |", member.name)?;
            } else {
                writeln!(out, "| `{}` | {meaning} |", member.name)?;
            }
        }
        writeln!(out)
    }

    /// A type as WIT writes it.
    pub(super) fn type_name(&self, ty: &Type) -> String {
        let Type::Id(id) = ty else {
            return match ty {
                Type::Bool => "bool",
                Type::U8 => "u8",
                Type::U16 => "u16",
                Type::U32 => "u32",
                Type::U64 => "u64",
                Type::S8 => "s8",
                Type::S16 => "s16",
                Type::S32 => "s32",
                Type::S64 => "s64",
                Type::F32 => "f32",
                Type::F64 => "f64",
                Type::Char => "char",
                Type::String => "string",
                Type::ErrorContext => "error-context",
                Type::Id(_) => "",
            }
            .to_owned();
        };
        let Some(definition) = self.resolve.types.get(*id) else {
            return String::new();
        };
        if let Some(name) = &definition.name {
            return name.clone();
        }
        match &definition.kind {
            TypeDefKind::Option(inner) => format!("option<{}>", self.type_name(inner)),
            TypeDefKind::List(inner) => format!("list<{}>", self.type_name(inner)),
            TypeDefKind::Result(result) => {
                let side = |ty: &Option<Type>| ty.as_ref().map_or_else(|| "_".to_owned(), |ty| self.type_name(ty));
                format!("result<{}, {}>", side(&result.ok), side(&result.err))
            }
            TypeDefKind::Tuple(tuple) => {
                let types: Vec<_> = tuple.types.iter().map(|ty| self.type_name(ty)).collect();
                format!("tuple<{}>", types.join(", "))
            }
            other => other.as_str().to_owned(),
        }
    }

    fn members(&self, id: TypeId) -> Vec<Member<'_>> {
        let Some(definition) = self.resolve.types.get(id) else {
            return Vec::new();
        };
        let member = |name, docs, ty: Option<&Type>| Member {
            name,
            docs,
            type_name: ty.map(|ty| self.type_name(ty)).unwrap_or_default(),
        };
        match &definition.kind {
            TypeDefKind::Record(record) => {
                let fields = record.fields.iter();
                fields
                    .map(|field| member(&field.name, &field.docs, Some(&field.ty)))
                    .collect()
            }
            TypeDefKind::Variant(variant) => {
                let cases = variant.cases.iter();
                cases
                    .map(|case| member(&case.name, &case.docs, case.ty.as_ref()))
                    .collect()
            }
            TypeDefKind::Enum(cases) => {
                let cases = cases.cases.iter();
                cases.map(|case| member(&case.name, &case.docs, None)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Items without a word of explanation.
    #[cfg(test)]
    pub(super) fn undocumented(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut check = |docs: &Docs, name: String| {
            if docs.is_empty() {
                found.push(name);
            }
        };
        for (_, world) in &self.resolve.worlds {
            check(&world.docs, format!("world {}", world.name));
        }
        for (id, interface) in &self.resolve.interfaces {
            check(&interface.docs, format!("interface {}", name(interface)));
            for function in interface.functions.values() {
                check(&function.docs, format!("{}.{}", name(interface), function.name));
            }
            for (type_name, type_id) in &interface.types {
                let Some(definition) = self.resolve.types.get(*type_id) else {
                    continue;
                };
                if definition.owner != wit_parser::TypeOwner::Interface(id)
                    || matches!(definition.kind, TypeDefKind::Type(_))
                {
                    continue;
                }
                check(&definition.docs, format!("{}.{type_name}", name(interface)));
                for member in self.members(*type_id) {
                    check(member.docs, format!("{}.{type_name}.{}", name(interface), member.name));
                }
            }
        }
        found
    }
}

/// A field or a case.
struct Member<'a> {
    name: &'a str,
    docs: &'a Docs,
    type_name: String,
}
